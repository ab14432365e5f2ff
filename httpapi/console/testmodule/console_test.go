package testmodule_test

import (
	"testing"

	"github.com/chromedp/chromedp"
	"golang.org/x/time/rate"
)

func TestLook(t *testing.T) {
	s := newShop(t, map[string]int{"acme": 6000, "nordlys": 800, "bergen": 500, "oslo": 300})
	for range 3 {
		s.reindex("nordlys")
	}
	s.reindex("bergen")
	s.reindex("acme")
	s.reindex("acme")
	b := newBrowser(t, s)
	b.expect("401")
	b.do("size", chromedp.EmulateViewport(1280, 900))
	b.open(s, "", "")
	b.untilText("Sign in")
	b.picture("signin")
	b.signIn(manager)
	b.untilText("nordlys")
	b.picture("tenants")
	s.speed.SetLimit(rate.Limit(600))
	b.click("acme")
	b.untilText("Where the time went")
	b.picture("ended")
	b.click("Reindex")
	b.untilText("peak")
	b.until("half", "document.querySelector('progress').value > 0.5")
	b.picture("running")
	b.do("size", chromedp.EmulateViewport(390, 844))
	b.picture("running-phone")
	s.speed.SetLimit(rate.Inf)
	b.untilText("The new index is live")
	b.picture("ended-phone")
}
