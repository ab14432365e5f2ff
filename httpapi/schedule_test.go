package httpapi

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/reindex/schedule"
)

const schedulePath = "/indexing/acme/schedule"

// plans is a fixed schedule.
type plans map[string][]schedule.Status

func (p plans) Of(tenant string) []schedule.Status { return p[tenant] }

// The answer has every entry of the tenant. Unknown fields are missing.
func TestSchedule(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	night := time.Date(2030, 1, 15, 2, 30, 0, 0, berlin)
	s := serve(t, &fakeEngine{}, Config{Schedule: plans{"acme": {
		{
			Entry: schedule.Entry{Tenant: "acme", Cron: "30 2 * * *", Location: berlin, Jitter: 10 * time.Minute},
			Next:  night.AddDate(0, 0, 1), Last: night, Job: "J7", Missed: 2, LastMissed: night.AddDate(0, 0, -3),
		},
		{Entry: schedule.Entry{Tenant: "acme", Cron: "@weekly"}, Next: night},
	}}}).describe()
	want := `[{"cron":"30 2 * * *","timeZone":"Europe/Berlin","jitterSeconds":600,"nextAt":"2030-01-16T01:30:00.000Z",` +
		`"lastAt":"2030-01-15T01:30:00.000Z","jobId":"J7","missedCount":2,"lastMissedAt":"2030-01-12T01:30:00.000Z"},` +
		`{"cron":"@weekly","timeZone":"UTC","jitterSeconds":0,"nextAt":"2030-01-15T01:30:00.000Z","missedCount":0}]`
	if got := s.send(http.MethodGet, schedulePath, ""); got.status != http.StatusOK || got.body != want {
		t.Errorf("got %d %s\nwant %s", got.status, got.body, want)
	}
	if got := s.send(http.MethodGet, "/indexing/other/schedule", ""); got.body != "[]" {
		t.Errorf("a tenant without a schedule: got %d %s, want []", got.status, got.body)
	}
}

// Callers who may view the tenant see the schedule. Without Config.Schedule the endpoint is not served.
func TestScheduleIsGuarded(t *testing.T) {
	asked := ""
	s := serve(t, &fakeEngine{}, Config{Schedule: plans{}, Authorizer: func(_ *http.Request, tenant, scope string) error {
		asked = tenant + " " + scope
		return &ScopeError{}
	}}).describe()
	if got := s.send(http.MethodGet, schedulePath, ""); got.status != http.StatusForbidden || asked != "acme "+ScopeView {
		t.Errorf("got %d, the Authorizer was asked for %s; want 403 and the scope to view", got.status, asked)
	}
	if got := s.send(http.MethodPut, schedulePath, "{}"); got.status != http.StatusMethodNotAllowed {
		t.Errorf("PUT: got %d, want %d", got.status, http.StatusMethodNotAllowed)
	}
	off := serve(t, &fakeEngine{}, Config{})
	if got := off.send(http.MethodGet, schedulePath, ""); got.status != http.StatusNotFound {
		t.Errorf("without Config.Schedule: got %d, want %d", got.status, http.StatusNotFound)
	}
}

// With a real scheduler, the answer has the next time, the last time, and the job of the last time.
func TestScheduleOfAScheduler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := reindextest.Slice(reindextest.Products(3, "1"))
		e, err := reindex.New(source, reindextest.NewMemory(), nil)
		if err != nil {
			t.Fatal(err)
		}
		scheduler, err := schedule.New(e, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := scheduler.Set(schedule.Entry{Tenant: "acme", Cron: "@hourly"}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 61*time.Minute)
		defer cancel()
		scheduler.Run(ctx)
		s := serveInTime(t, e, Config{Schedule: scheduler}).describe()
		jobs, _, err := e.Jobs(t.Context(), "acme", reindex.JobQuery{})
		if err != nil || len(jobs) != 1 {
			t.Fatal(jobs, err)
		}
		want := `[{"cron":"@hourly","timeZone":"UTC","jitterSeconds":0,"nextAt":"2000-01-01T02:00:00.000Z",` +
			`"lastAt":"2000-01-01T01:00:00.000Z","jobId":"` + jobs[0].ID + `","missedCount":0}]`
		if got := s.send(http.MethodGet, schedulePath, ""); got.body != want {
			t.Errorf("got %d %s\nwant %s", got.status, got.body, want)
		}
		if err := e.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
