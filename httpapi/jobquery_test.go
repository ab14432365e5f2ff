package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// shopMessage has everything that must be in quotes.
const shopMessage = `the shop "Köln" is closed (503): see C:\shop, then retry`

// variedJobs differ in what a q and a sort can tell apart; oldest first.
func variedJobs() []reindex.Job {
	at := func(text string) time.Time {
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			panic(err)
		}
		return t
	}
	jobs := []reindex.Job{
		{Status: reindex.StatusSuccess, Expected: 100, Processed: 100, Created: at("2026-01-01T10:00:00.1234Z"), Modified: at("2026-01-01T10:05:00Z")},
		{Status: reindex.StatusFailure, Expected: -1, Estimated: true, Processed: 3, Message: shopMessage, Created: at("2026-01-02T11:00:00+01:00"), Modified: at("2026-01-02T10:00:01Z")},
		{Status: reindex.StatusFailure, Expected: 50, Processed: 50, Message: "timeout", Created: at("2026-01-03T10:00:00Z"), Modified: at("2026-01-03T12:00:00Z")},
		{Status: reindex.StatusSuccess, Expected: 0, Processed: 0, Message: "left over", Created: at("2026-01-04T10:00:00Z"), Modified: at("2026-01-04T10:00:00Z")},
		{Status: reindex.StatusFailure, Expected: 9, Processed: 9, Created: at("2026-01-05T10:00:00Z"), Modified: at("2026-01-05T10:00:00Z")},
		{Status: reindex.StatusFailure, Expected: -1, Processed: 50, Message: "null", Created: at("2026-01-06T10:00:00Z"), Modified: at("2026-01-06T10:00:00Z")},
		{Status: reindex.StatusPending, Expected: -1, EntityType: "CATEGORY", Created: at("2026-01-07T10:00:00Z"), Modified: at("2026-01-07T10:00:00Z")},
		{Status: reindex.StatusInProgress, Expected: 1000, Estimated: true, Processed: 10, Created: at("2026-01-08T10:00:00Z"), Modified: at("2026-01-08T10:00:00Z")},
	}
	for i := range jobs {
		jobs[i].ID, jobs[i].Tenant = "J"+string(rune('1'+i)), "acme"
		if jobs[i].EntityType == "" {
			jobs[i].EntityType = reindex.EntityProduct
		}
	}
	return jobs
}

// serveJobs serves jobs out of a store of an engine's.
func serveJobs(t *testing.T, jobs []reindex.Job) *service {
	t.Helper()
	store := reindex.NewJobs(len(jobs))
	for _, job := range jobs {
		open := job
		open.Status = reindex.StatusPending
		if _, created, err := store.Create(t.Context(), open); err != nil || !created {
			t.Fatal(created, err)
		}
		if err := store.Update(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	}
	e, err := reindex.New(reindextest.Slice{}, reindextest.NewMemory(), &reindex.Config{Jobs: store})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Shutdown(context.Background()) })
	return serve(t, e, Config{})
}

// list asks for ids of jobs, as "J2 J1".
func (s *service) list(params url.Values, headers ...string) (string, result) {
	s.t.Helper()
	params.Set("fields", "id")
	got := s.send(http.MethodGet, jobsPath+"?"+params.Encode(), "", headers...)
	var jobs []struct {
		ID string `json:"id"`
	}
	if got.status != http.StatusOK {
		s.t.Errorf("%v: %d %s", params, got.status, got.body)
	} else if err := json.Unmarshal([]byte(got.body), &jobs); err != nil {
		s.t.Errorf("%v: %v: %s", params, err, got.body)
	}
	ids := make([]string, len(jobs))
	for i, job := range jobs {
		ids[i] = job.ID
	}
	return strings.Join(ids, " "), got
}

const everyJob = "J8 J7 J6 J5 J4 J3 J2 J1"

// A page is one of the jobs that match, and X-Total-Count is their number.
func TestPagesOfMatches(t *testing.T) {
	s := serveJobs(t, variedJobs())
	for _, tc := range []struct{ q, sort, size, number, want, total string }{
		{"status:FAILURE", "", "3", "1", "J6 J5 J3", "4"},
		{"status:FAILURE", "", "3", "2", "J2", "4"},
		{"status:FAILURE", "", "3", "3", "", "4"},
		{"status:FAILURE", "id", "3", "1", "J2 J3 J5", "4"},
		{"status:FAILURE", "id", "3", "2", "J6", "4"},
		{"status:FAILURE", "processedCount:desc", "2", "1", "J6 J3", "4"},
		{"status:PUBLISHED", "id", "2", "1", "", "0"},
		{"", "id", "2", "2", "J3 J4", "8"},
	} {
		got, res := s.list(url.Values{"q": {tc.q}, "sort": {tc.sort}, "pageSize": {tc.size}, "pageNumber": {tc.number}}, "X-Total-Count: true")
		if total := res.header.Get("X-Total-Count"); got != tc.want || total != tc.total {
			t.Errorf("%v: %q of %s", tc, got, total)
		}
	}
}

// A listing that is not done when its time is over matches nothing any more, so that the store ends soon, and is no answer.
func TestListingInTime(t *testing.T) {
	for _, param := range []string{"q=id:exists", "sort=id"} {
		e := &fakeEngine{jobs: func(ctx context.Context, _ string, query reindex.JobQuery) ([]reindex.Job, int, error) {
			jobs := variedJobs()
			<-ctx.Done()
			if query.Match != nil && query.Match(jobs[0]) || query.Compare != nil && query.Compare(jobs[0], jobs[1]) != 0 {
				t.Errorf("%s: jobs are looked at although the time is over", param)
			}
			return jobs[:1], 1, nil
		}}
		s := serve(t, e, Config{EngineTimeout: time.Millisecond})
		if got := s.send(http.MethodGet, jobsPath+"?"+param, ""); got.status != http.StatusBadRequest || got.message.Message != MessageUnavailable {
			t.Errorf("%s: %d %s", param, got.status, got.body)
		}
	}
}
