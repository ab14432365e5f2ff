package testmodule_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"productindex/reindex"
)

const (
	manyTenants = 1_000
	manyJobs    = 10_000
	// quick is the time within which a view must be complete, on a machine that also has other work.
	quick = 20 * time.Second
)

// crowd returns a store with many jobs of acme and one job of each of many other tenants. A benchmark of package jobsql
// has as many jobs in a database.
func crowd(t *testing.T) reindex.JobStore {
	t.Helper()
	store := reindex.NewJobs(2 * manyJobs)
	began := time.Now().Add(-manyJobs * time.Hour)
	add := func(tenant string, i int) {
		job := reindex.Job{
			ID: fmt.Sprintf("%sJ%d", tenant, i), Tenant: tenant, EntityType: reindex.EntityProduct,
			Status: reindex.StatusPending, Created: began.Add(time.Duration(i) * time.Hour),
		}
		job, _, err := store.Create(t.Context(), job)
		check(t, err)
		job.Status, job.Modified = reindex.StatusSuccess, job.Created.Add(time.Minute)
		job.Report.Read, job.Report.Indexed, job.Processed = 1000, 1000, 1000
		job.Report.Durations.Total = time.Minute
		check(t, store.Finish(t.Context(), job))
	}
	for i := range manyJobs {
		add("acme", i)
	}
	for i := range manyTenants - 1 {
		add(fmt.Sprintf("shop%03d", i), i)
	}
	return store
}

// Views of many tenants or many jobs quickly show one page of them.
func TestMany(t *testing.T) {
	s := newShop(t, nil, crowd(t))
	b := newBrowser(t, s)
	b.expect("401 (Unauthorized)") // before the sign-in
	b.size(1280, 900)
	b.open(s, "", manager)
	b.soon(t, "the tenants", "", rows("main > .list")+" === 50")
	b.soon(t, "their second page", "Next", rows("main > .list")+" === 50 && "+firstCell+" === 'shop049'")
	b.do("filtering", chromedp.SendKeys("#filter", "shop99"))
	b.soon(t, "some of them", "", rows("main > .list")+" === 9")
	b.picture("many-tenants")
	b.open(s, "#/acme", "")
	b.soon(t, "the jobs", "", rows("section .list")+" === 15 && document.body.innerText.includes('1 to 15 of 10,000')")
	b.soon(t, "older jobs", "Older", "document.body.innerText.includes('16 to 30 of 10,000')")
	b.picture("many-jobs")
}

// rows counts the rows of a table.
func rows(list string) string { return `document.querySelectorAll("` + list + ` tbody tr").length` }

const firstCell = `document.querySelector("main tbody th").innerText`

// soon clicks on a button, unless its name is empty, and checks that an expression soon becomes true.
func (b *browser) soon(t *testing.T, view, button, expression string) {
	t.Helper()
	begin := time.Now()
	if button != "" {
		b.click(button)
	}
	b.until(view, expression)
	took := time.Since(begin)
	t.Logf("%s: %v", view, took.Round(time.Millisecond))
	if took > quick {
		t.Errorf("%s came after %v, want at most %v", view, took, quick)
	}
}
