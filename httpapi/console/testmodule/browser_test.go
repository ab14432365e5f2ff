package testmodule_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	logged "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience limits every wait.
const patience = 2 * time.Minute

// browser is a page in a browser, with the errors that occurred in it.
type browser struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // chromedp keeps the page in its context

	mu      sync.Mutex
	broken  []string // errors of the page, and requests to other servers
	expects []string // parts of expected errors
}

// newBrowser opens a page. Without a browser it skips the test, except in CI.
func newBrowser(t *testing.T, s *shop) *browser {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			program = found
			break
		}
	}
	if program == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("chromium is missing: apt-get install chromium")
		}
		t.Skip("the page is not tested, since chromium is missing: apt-get install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox,
		chromedp.UserDataDir(profile(t)), chromedp.Flag("lang", "en-GB"), chromedp.WSURLReadTimeout(patience))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, closePage := chromedp.NewContext(allocator, chromedp.WithErrorf(func(format string, args ...any) {
		if !strings.HasPrefix(format, "unhandled node event") { // from browsers that are newer than the library
			t.Logf(format, args...)
		}
	}))
	t.Cleanup(closePage)
	b := &browser{t: t, ctx: ctx}
	home := "http://" + s.address + "/"
	chromedp.ListenTarget(ctx, func(event any) { b.note(event, home) })
	b.do("opening the browser", network.Enable(), logged.Enable(), runtime.Enable())
	t.Cleanup(b.verify)
	return b
}

// profile returns a folder for a browser, which is removed at the end of the test. Removing it may take several
// attempts, since processes of the browser may still write into it.
func profile(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "chromium-") //nolint:usetesting // t.TempDir does not retry
	check(t, err)
	t.Cleanup(func() {
		timeout, again := time.After(patience), time.Tick(50*time.Millisecond)
		for err := os.RemoveAll(folder); err != nil; err = os.RemoveAll(folder) {
			select {
			case <-again:
			case <-timeout:
				t.Error(err)
				return
			}
		}
	})
	return folder
}

// note records errors of the page, and requests to other servers than home.
func (b *browser) note(event any, home string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
			b.broken = append(b.broken, "console: "+string(e.Args[0].Value)+e.Args[0].Description)
		}
	case *runtime.EventExceptionThrown:
		b.broken = append(b.broken, "exception: "+e.ExceptionDetails.Error())
	case *logged.EventEntryAdded:
		if e.Entry.Level == logged.LevelError || e.Entry.Level == logged.LevelWarning {
			b.broken = append(b.broken, "log: "+e.Entry.Text+" "+e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, home) && !strings.HasPrefix(e.Request.URL, "about:") {
			b.broken = append(b.broken, "a request to another server: "+e.Request.URL)
		}
	}
}

// expect makes verify ignore errors that contain the text.
func (b *browser) expect(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expects = append(b.expects, text)
}

// verify reports the unexpected errors.
func (b *browser) verify() {
	b.mu.Lock()
	defer b.mu.Unlock()
broken:
	for _, broken := range b.broken {
		for _, expected := range b.expects {
			if strings.Contains(broken, expected) {
				continue broken
			}
		}
		b.t.Error(broken)
	}
}

// do performs actions. It fails the test if they take longer than patience.
func (b *browser) do(what string, actions ...chromedp.Action) {
	b.t.Helper()
	done := make(chan error, 1)
	go func() { done <- chromedp.Run(b.ctx, actions...) }()
	select {
	case err := <-done:
		if err != nil {
			b.t.Fatalf("%s: %v", what, err)
		}
	case <-time.After(patience):
		b.picture("stuck")
		b.t.Fatalf("%s: no result after %v; the page shows %q", what, patience, b.text("body"))
	}
}

// awaiting makes an evaluation wait for its promise.
func awaiting(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// until waits until an expression is true in the page.
func (b *browser) until(what, expression string) {
	b.t.Helper()
	every := chromedp.WithPollingInterval(50 * time.Millisecond)
	b.do(what, chromedp.Poll(expression, nil, every, chromedp.WithPollingTimeout(0)))
}

// untilText waits until the page shows a text.
func (b *browser) untilText(text string) {
	b.t.Helper()
	b.until("waiting for "+text, "document.body.innerText.includes("+quote(text)+")")
}

// named returns the XPath of the buttons, links and summaries with a name.
func named(name string) string {
	return `//*[self::button or self::a or self::summary][normalize-space(.)=` + quote(name) + `]`
}

// click clicks on the button, link or summary with a name.
func (b *browser) click(name string) { b.clickAt(named(name)) }

// clickAt clicks on the element of an XPath.
func (b *browser) clickAt(path string) {
	b.t.Helper()
	x, y := b.still(path)
	b.do("clicking on "+path, chromedp.MouseClickXY(x, y))
}

// still waits until an element is visible and enabled, and has not moved for two frames. It returns the centre of the
// element.
func (b *browser) still(path string) (x, y float64) {
	b.t.Helper()
	var middle [2]float64
	b.do("waiting for "+path, chromedp.Evaluate(`new Promise((resolve) => {
		let before = "", frames = 0;
		const look = () => {
			const first = XPathResult.FIRST_ORDERED_NODE_TYPE;
			const found = document.evaluate(`+quote(path)+`, document, null, first).singleNodeValue;
			const usable = found?.checkVisibility() && !found.disabled;
			if (usable) found.scrollIntoView({block: "nearest"});
			const box = usable ? found.getBoundingClientRect() : {};
			frames = usable && JSON.stringify(box) === before ? frames + 1 : 0;
			before = JSON.stringify(box);
			if (frames < 2) requestAnimationFrame(look);
			else resolve([box.x + box.width / 2, box.y + box.height / 2]);
		};
		look();
	})`, &middle, awaiting))
	return middle[0], middle[1]
}

// text returns the text of an element, or "" if there is no such element.
func (b *browser) text(selector string) (text string) {
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	_ = chromedp.Run(ctx, chromedp.Evaluate("document.querySelector("+quote(selector)+")?.innerText ?? ''", &text))
	return text
}

// open opens a view. It signs in unless the token is empty.
func (b *browser) open(s *shop, view, token string) {
	b.t.Helper()
	b.do("opening "+view, chromedp.Navigate(s.url(view)))
	if token != "" {
		b.signIn(token)
	}
}

func (b *browser) signIn(token string) {
	b.t.Helper()
	b.do("signing in", chromedp.WaitVisible("#token"), chromedp.SendKeys("#token", token+"\r"))
}

// picture captures the whole page.
func (b *browser) picture(name string) {
	b.t.Helper()
	b.capture(name, func(image *[]byte) chromedp.Action { return chromedp.FullScreenshot(image, 100) })
}

// capture writes a picture to the folder in PRODUCTINDEX_SCREENSHOTS, if this variable is set.
func (b *browser) capture(name string, take func(*[]byte) chromedp.Action) {
	b.t.Helper()
	folder := os.Getenv("PRODUCTINDEX_SCREENSHOTS")
	if folder == "" {
		return
	}
	var image []byte
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, take(&image)); err != nil {
		b.t.Logf("no picture %s: %v", name, err)
		return
	}
	check(b.t, os.MkdirAll(folder, 0o755))
	check(b.t, os.WriteFile(filepath.Join(folder, name+".png"), image, 0o644))
}

// quote returns a text as a JavaScript literal. If the text has no quotes, it is also an XPath literal.
func quote(text string) string { return strconv.Quote(text) }

// readme captures the picture of the README: the first screen of the page.
func (b *browser) readme() {
	b.t.Helper()
	b.size(1120, 700)
	b.capture("console", chromedp.CaptureScreenshot)
	b.size(1280, 900)
}
