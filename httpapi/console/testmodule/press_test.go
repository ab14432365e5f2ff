package testmodule_test

import (
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// press presses the mouse button on the button or link with a name. The returned function releases it.
func (b *browser) press(name string) (release func()) {
	b.t.Helper()
	x, y := b.still(named(name))
	mouse := func(kind input.MouseType) {
		b.t.Helper()
		b.do(string(kind), chromedp.MouseEvent(kind, x, y, chromedp.ButtonLeft, chromedp.ClickCount(1)))
	}
	mouse(input.MousePressed)
	return func() {
		b.t.Helper()
		mouse(input.MouseReleased)
	}
}

// Nothing moves while the mouse button is pressed. A tenant that is added meanwhile appears in the list after the
// release.
func TestPressAndMove(t *testing.T) {
	s := newShop(t, map[string]int{"bergen": 10, "nordlys": 10}, nil)
	s.reindex("nordlys")
	b := newBrowser(t, s)
	b.expect("401 (Unauthorized)") // before the sign-in
	b.open(s, "", manager)
	release := b.press("nordlys")
	s.reindex("bergen")
	b.do("asking", chromedp.Evaluate(`globalThis.since = performance.now()`, nil))
	b.until("an answer with bergen", `performance.getEntriesByType("resource").some((each) =>
		each.name.includes("reindex-tenants") && each.startTime > globalThis.since && each.responseEnd > 0)`)
	b.until("no bergen", `!document.querySelector("main").innerText.includes("bergen")`)
	release()
	b.until("the click", `location.hash === "#/nordlys"`)
	b.click("Tenants")
	b.untilText("bergen")
}

// A button that is pressed while its list is renewed remains the same element, and keeps the focus.
func TestPressAndRenew(t *testing.T) {
	s := newShop(t, map[string]int{"nordlys": 10}, nil)
	s.reindex("nordlys")
	s.reindex("nordlys")
	b := newBrowser(t, s)
	b.expect("401 (Unauthorized)") // before the sign-in
	b.size(1280, 900)
	b.open(s, "#/nordlys", manager)
	b.untilText("Live now")
	b.untilText("Compared with the run of")
	release := b.press("Roll back…")
	const list = `document.querySelector("section[aria-labelledby=generations-heading]")`
	b.do("remembering", chromedp.Evaluate(`globalThis.age = `+list+`.querySelector("tbody th").innerText;
		globalThis.button = `+list+`.querySelector("button"); 0`, nil))
	b.until("another age", list+`.querySelector("tbody th").innerText !== globalThis.age`)
	release()
	b.untilText("Roll nordlys back?")
	b.click("No")
	s.reindex("nordlys")
	b.until("one more index", list+`.querySelectorAll("tbody tr").length === 3`)
	b.until("the focus to be where it was", `document.activeElement === globalThis.button`)
}

// Only the answer to the newest request of a poll is shown.
func TestPoll(t *testing.T) {
	s := newShop(t, nil, nil)
	b := newBrowser(t, s)
	b.expect("401 (Unauthorized)") // before the sign-in
	b.open(s, "", manager)
	b.untilText("There are no tenants")
	b.module("poll", `
		const answers = [], shown = [];
		const ask = () => new Promise((answer) => answers.push(answer));
		const polling = poll(20, {ask, show: (text) => shown.push(text)});
		polling.now();
		answers[1]("new");
		answers[0]("old");
		await until(() => answers.length === 3);
		await sleep(200);
		verify(answers.length, 3);
		answers[2]("last");
		await until(() => answers.length === 4);
		verify(shown.join(), "new,last");
		polling.stop();
		answers[3]("after the end");
		polling.now();
		await sleep(50);
		verify(shown.join(), "new,last");
		verify(answers.length, 4);`)
}

// Renewed elements remain the same, and keep the focus and their open details.
func TestRenew(t *testing.T) {
	s := newShop(t, nil, nil)
	b := newBrowser(t, s)
	b.expect("401 (Unauthorized)") // before the sign-in
	b.open(s, "", manager)
	b.untilText("There are no tenants")
	b.module("dom", `
		let clicked = [];
		const on = (name) => ({click: () => clicked.push(name)});
		const button = (key, {n, ...props}) => h("button", {key, text: key, ...props, on: on(key + n)});
		const list = h("div", {});
		document.body.append(list);
		renew(list, button("a", {n: 1}), button("b", {n: 1, class: "old"}), h("details", {}, h("summary", {text: "one"})));
		const [a, b, details] = list.children;
		b.focus();
		details.open = true;
		renew(list, "text", button("c", {n: 2}), button("b", {n: 2, disabled: false}), button("a", {n: 2}),
			h("details", {}, h("summary", {text: "two"}), "more"));
		verify(list.textContent, "textcbatwomore");
		verify([...list.children].slice(1).every((each, i) => each === [b, a, details][i]), true);
		verify(document.activeElement === b, true);
		verify(details.open, true);
		verify(b.className, "");
		b.click();
		a.click();
		verify(clicked.join(), "b2,a2");
		renew(list, button("b", {n: 3}));
		verify(list.textContent, "b");
		verify(list.firstChild === b, true);
		renew(list, h("p", {text: "none"}));
		verify(list.innerHTML, "<p>none</p>");`)
}

// module runs a script that can use the exports of a module of the page.
func (b *browser) module(name, script string) {
	b.t.Helper()
	var wrong string
	b.do("module "+name, chromedp.Evaluate(`import(new URL("js/`+name+`.js", location.href)).then(async (module) => {
		const verify = (got, want) => { if (got !== want) throw new Error("got " + got + ", want " + want); };
		const sleep = (millis) => new Promise((resolve) => setTimeout(resolve, millis));
		const until = async (condition) => { while (!condition()) await sleep(5); };
		const {h, poll, renew} = module;
		`+script+`
	}).then(() => "", (error) => error.stack)`, &wrong, awaiting))
	if wrong != "" {
		b.t.Error(wrong)
	}
}
