package testmodule_test

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// size sets the size of the viewport, in pixels.
func (b *browser) size(width, height int64) {
	b.t.Helper()
	b.do("size", chromedp.EmulateViewport(width, height))
}

// scheme sets the colour scheme, light or dark.
func (b *browser) scheme(name string) {
	b.t.Helper()
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}
	b.do("scheme", emulation.SetEmulatedMedia().WithFeatures(features))
}

// looks captures a view and checks its accessibility and width, in light and dark colours, on a desktop and on a phone.
func (b *browser) looks(t *testing.T, view string) {
	t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		for _, size := range []struct {
			name          string
			width, height int64
		}{{"desk", 1280, 900}, {"phone", 390, 844}} {
			b.size(size.width, size.height)
			b.picture(strings.Join([]string{view, scheme, size.name}, "-"))
			b.accessible(t, view+", "+scheme+", "+size.name)
			b.fits(t, view)
		}
	}
	b.scheme("light")
	b.size(1280, 900)
}

// fits reports elements that are wider than the page.
func (b *browser) fits(t *testing.T, view string) {
	t.Helper()
	var wide []string
	b.do("measuring", chromedp.Evaluate(`document.documentElement.scrollWidth <= innerWidth ? [] :
		[...document.querySelectorAll("body *")].filter((each) => each.getBoundingClientRect().right > innerWidth)
			.map((each) => each.outerHTML.slice(0, 200))`, &wide))
	for _, each := range wide {
		t.Errorf("%s: wider than the page: %s", view, each)
	}
}

// A user signs in, starts a run and follows it, looks at the rejected products, makes a dry run, cancels another run,
// rolls back, and loses the connection for a while. The page reports no errors and loads nothing from other servers.
func TestConsole(t *testing.T) {
	s := newShop(t, map[string]int{"acme": 6000, "nordlys": 800, "bergen": 500}, nil)
	for range 2 {
		s.reindex("nordlys")
		s.reindex("acme")
	}
	b := newBrowser(t, s)
	b.size(1280, 900)
	b.expect("401 (Unauthorized)") // the browser logs each such answer

	b.open(s, "", "")
	b.untilText("Sign in")
	b.looks(t, "signin")
	b.signIn("wrong")
	b.untilText("Invalid access token")
	b.signIn(manager)
	b.untilText("nordlys")
	b.looks(t, "tenants")

	b.do("filtering", chromedp.SendKeys("#filter", "nor"))
	b.until("the other tenants to disappear", `!document.body.innerText.includes("acme")`)
	b.do("clearing the filter", chromedp.SendKeys("#filter", strings.Repeat(kb.Backspace, 3)))
	b.click("acme")
	b.untilText("Previous run")
	b.untilText("Europe/Berlin, up to 10 min later")
	b.untilText("in 7 hours")
	b.untilText("the latest 4 days ago") // the last time that was missed
	b.looks(t, "ended")
	b.searches()
	b.edits(t, s)
	b.runs(t, s)
	b.dryRuns(t, s)
	b.cancels(t, s)
	b.rollsBack(t, s)
	b.losesTheServer(s)
	b.mayOnlyLook(t, s)
}

// searches finds a product in the live index.
func (b *browser) searches() {
	b.t.Helper()
	b.do("searching", chromedp.SendKeys("#search", "rain jacket 11"))
	b.until("hits", `document.querySelectorAll(".hit").length > 0`)
	b.do("clearing", chromedp.SendKeys("#search", kb.Escape))
	b.until("no hits", `document.querySelectorAll(".hit").length === 0`)
}

// facts is JavaScript for the figures of a job that the page shows.
const facts = `...[...document.querySelectorAll(".facts > div")].map((each) => ` +
	`each.innerText.replace(/\s+/g, " ").trim())`

// edits makes an edit that waits for the index, and one that the index refuses.
func (b *browser) edits(t *testing.T, s *shop) {
	t.Helper()
	s.held.Store(true)
	s.edit("acme", "P-00002")
	b.untilText("1 edit is not searchable yet; it was accepted")
	b.picture("lag")
	s.held.Store(false)
	close(s.release)
	b.untilText("All accepted edits are searchable")
	s.edit("acme", refused)
	b.untilText("1 refused by the index")
	b.click("1 refused by the index")
	b.untilText("field price: a number is expected")
	b.looks(t, "edits")
}

// runs starts a run, follows it to its end, and looks at its rejected products.
func (b *browser) runs(t *testing.T, s *shop) {
	t.Helper()
	s.slow("acme", 250)
	s.stumbles.Store(true)
	b.click("Reindex")
	b.untilText("Loading products")
	s.edit("acme", "P-00001")
	b.until("progress", `(globalThis.seen = document.querySelector("progress").value) > 0`)
	b.until("more of it", `document.querySelector("progress").value > globalThis.seen`)
	b.untilText("peak")
	for _, fact := range []string{
		"Retries 1", "Concurrency 2 batches", "Batch size 416 KiB at most",
	} {
		b.until(fact, "["+facts+"].includes("+quote(fact)+")")
	}
	b.until("a line", `document.querySelectorAll(".plot .line")[0].getAttribute("d").split("L").length > 4`)
	b.readme()
	b.looks(t, "running")
	s.slow("acme", 0)
	b.untilText("The new index is live")
	b.until("the edit", "["+facts+"].includes('Edits applied 1')")
	b.untilText("acme.jsonl, line 352")
	b.clickAt(`(//summary)[2]`)
	b.untilText(hostile)
	b.until("no markup", `document.querySelectorAll("main img").length === 0 && !document.title.includes("owned")`)
}

// dryRuns makes a dry run over a smaller catalogue and looks at the products that would be removed.
func (b *browser) dryRuns(t *testing.T, s *shop) {
	t.Helper()
	s.fill("acme", 5990)
	b.click("Dry run")
	b.untilText("was checked and discarded")
	b.untilText("Difference from the live index")
	b.untilText("P-05995")
	b.looks(t, "dryrun")
}

// cancels starts a run of another tenant and cancels it, partly with the keyboard.
func (b *browser) cancels(t *testing.T, s *shop) {
	t.Helper()
	s.slow("bergen", 20)
	b.open(s, "#/bergen", "")
	b.untilText("has not been reindexed yet")
	b.click("Reindex")
	b.untilText("Loading products")
	b.click("Pause")
	b.untilText("Paused: nothing is read")
	b.click("Resume")
	b.untilText("at most 20 products per second")
	b.do("the button", chromedp.Focus("button.danger", chromedp.NodeEnabled), chromedp.KeyEvent(kb.Enter))
	b.untilText("Cancel this run?")
	b.accessible(t, "a question")
	b.picture("question")
	b.do("leaving it", chromedp.KeyEvent(kb.Escape))
	b.until("the focus to be back", `document.activeElement.textContent.startsWith("Cancel run")`)
	b.do("again", chromedp.KeyEvent(kb.Enter))
	b.untilText("Cancel this run?")
	b.click("Cancel run")
	b.untilText("The run was cancelled")
	b.looks(t, "cancelled")
}

// rollsBack goes back to the index before the last reindex, which has more products.
func (b *browser) rollsBack(t *testing.T, s *shop) {
	t.Helper()
	s.fill("nordlys", 400)
	s.reindex("nordlys")
	b.open(s, "#/nordlys", "")
	b.untilText("Live now")
	b.looks(t, "indexes")
	b.click("Roll back…")
	b.untilText("Roll nordlys back?")
	b.untilText("with 800 products")
	b.accessible(t, "the question of a rollback")
	b.picture("rollback-question")
	b.do("leaving it", chromedp.KeyEvent(kb.Escape))
	b.until("the focus to be back", `document.activeElement.textContent === "Roll back…"`)
	b.do("again", chromedp.KeyEvent(kb.Enter))
	b.untilText("Roll nordlys back?")
	b.click("Roll back")
	b.untilText("The kept index is live again")
	b.until("the list to say so", `[...document.querySelectorAll("section[aria-labelledby=generations-heading] tbody tr")]
		.findIndex((row) => row.innerText.includes("Live now") && row.innerText.includes("800")) === 0`)
	b.looks(t, "rolledback")
	b.do("searching", chromedp.SendKeys("#search", "700"))
	b.until("a product of the index before", `document.querySelectorAll(".hit").length > 0`)
}

// losesTheServer stops the server during a run and starts it again.
func (b *browser) losesTheServer(s *shop) {
	b.t.Helper()
	s.slow("acme", 700)
	b.open(s, "#/acme", "")
	b.click("Reindex")
	b.untilText("Loading products")
	b.expect("net::ERR_") // the browser logs each request that fails
	s.stop()
	b.untilText("The connection was lost")
	b.picture("lost")
	s.start()
	b.until("the connection", `document.getElementById("banner").hidden`)
	s.slow("acme", 0)
	b.untilText("The new index is live")
}

// mayOnlyLook signs in with a token that has only the scope for viewing.
func (b *browser) mayOnlyLook(t *testing.T, s *shop) {
	t.Helper()
	b.click("Sign out")
	b.signIn(viewer)
	b.untilText("Your token lacks the scope")
	const changes = `[...document.querySelectorAll(` +
		`".heading button, section[aria-labelledby=generations-heading] button")]`
	b.until("what can be changed", changes+`.filter((each) => each.textContent === "Roll back…").length === 2`)
	b.until("the buttons to be off", changes+`.every((each) => each.disabled)`)
	b.looks(t, "viewer")
	b.open(s, "#/", "")
	b.do("the first tab stop", chromedp.Reload(), chromedp.WaitVisible("#filter"), chromedp.KeyEvent(kb.Tab))
	b.until("to skip", `document.activeElement.id === "skip"`)
}
