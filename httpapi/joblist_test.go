package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"productindex/httpapi/internal/jobquery/jobquerytest"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// serveJobs serves the given jobs from the store of an engine.
func serveJobs(t *testing.T, jobs []reindex.Job) *service {
	t.Helper()
	store := reindex.NewJobs(len(jobs))
	for _, job := range jobs {
		open := job
		open.Status = reindex.StatusPending
		if _, created, err := store.Create(t.Context(), open); err != nil || !created {
			t.Fatal(created, err)
		}
		if err := store.Finish(t.Context(), job); err != nil {
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

// list requests a list and returns the ids of its jobs, such as "J2 J1".
func (s *service) list(params url.Values, headers ...string) (string, result) {
	s.t.Helper()
	params.Set("fields", "id")
	got := s.send(http.MethodGet, jobsPath+"?"+params.Encode(), "", headers...)
	var jobs []struct {
		ID string `json:"id"`
	}
	if got.status != http.StatusOK {
		s.t.Errorf("%v: got %d %s, want 200", params, got.status, got.body)
	} else if err := json.Unmarshal([]byte(got.body), &jobs); err != nil {
		s.t.Errorf("%v: got error %v, want a list of jobs: %s", params, err, got.body)
	}
	ids := make([]string, len(jobs))
	for i, job := range jobs {
		ids[i] = job.ID
	}
	return strings.Join(ids, " "), got
}

// Each kind of condition and order works over HTTP.
func TestSelectedJobs(t *testing.T) {
	s := serveJobs(t, jobquerytest.Varied())
	for _, tc := range []struct{ q, sort, want string }{
		{"", "", jobquerytest.EveryJob},
		{`message:"the shop \"Köln\" is closed (503): see C:\\shop, then retry"`, "", "J2"},
		{"status:(SUCCESS,PENDING)", "", "J7 J4 J1"},
		{"processedCount:(>=9 AND <=50)", "processedCount", "J5 J8 J6 J3"},
		{`metadata.createdAt:<="2026-01-02T11:00:00+01:00"`, "", "J2 J1"},
		{"message:~(?i)TIME", "", "J3"},
		{"expectedCount:missing message:exists", "id", "J2 J6"},
		{"", "status:asc , processedCount:desc", "J6 J3 J5 J2 J8 J7 J1 J4"},
	} {
		if got, _ := s.list(url.Values{"q": {tc.q}, "sort": {tc.sort}}); got != tc.want {
			t.Errorf("%+v: got %q, want %q", tc, got, tc.want)
		}
	}
	if got, _ := s.list(url.Values{}); got != jobquerytest.EveryJob {
		t.Errorf("without q and sort: got %q, want %q", got, jobquerytest.EveryJob)
	}
}

// The answer to an invalid parameter says where in the parameter the error is.
func TestSelectionIsRefused(t *testing.T) {
	s := serve(t, &fakeEngine{}, Config{})
	for _, tc := range []struct{ parameter, value, message, detail string }{
		{"q", "status:SUCCESS Köln:x", "Invalid q", "At character 16: the name of a field is needed: "},
		{"q", "message:\xff", "Invalid q", "At character 9: invalid UTF-8"},
		{"sort", "id, Köln", "Invalid sort", "At character 5: the name of a field is needed: "},
		{"fields", "id,name", "Unknown field", "Parameter 'fields' takes these, separated by commas: id, "},
	} {
		got := s.send(http.MethodGet, jobsPath+"?"+url.Values{tc.parameter: {tc.value}}.Encode(), "")
		if got.status != http.StatusBadRequest || got.message.Message != tc.message || len(got.message.Details) != 1 ||
			!strings.HasPrefix(got.message.Details[0], tc.detail) {
			t.Errorf("%+v: got %d %s, want %d %s", tc, got.status, got.body, http.StatusBadRequest, tc.message)
		}
	}
}

// A page consists of matching jobs, and X-Total-Count is the number of all matching jobs.
func TestPagesOfMatches(t *testing.T) {
	s := serveJobs(t, jobquerytest.Varied())
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
		got, res := s.list(
			url.Values{"q": {tc.q}, "sort": {tc.sort}, "pageSize": {tc.size}, "pageNumber": {tc.number}},
			"X-Total-Count: true",
		)
		if total := res.header.Get("X-Total-Count"); got != tc.want || total != tc.total {
			t.Errorf("%+v: got %q of %s, want %q of %s", tc, got, total, tc.want, tc.total)
		}
	}
}

// After the time limit of a request, jobs are neither matched nor compared any more, so that the store's query soon
// ends. The request fails.
func TestListingInTime(t *testing.T) {
	for _, param := range []string{"q=id:exists", "sort=id"} {
		e := &fakeEngine{jobs: func(ctx context.Context, _ string, query reindex.JobQuery) ([]reindex.Job, int, error) {
			jobs := jobquerytest.Varied()
			<-ctx.Done()
			if query.Match != nil && query.Match(jobs[0]) || query.Compare != nil && query.Compare(jobs[0], jobs[1]) != 0 {
				t.Errorf("%s: a job was matched or compared after the time limit, want neither", param)
			}
			return jobs[:1], 1, nil
		}}
		s := serve(t, e, Config{EngineTimeout: time.Millisecond})
		got := s.send(http.MethodGet, jobsPath+"?"+param, "")
		if got.status != http.StatusBadRequest || got.message.Message != MessageUnavailable {
			t.Errorf("%s: got %d %s, want %d %s", param, got.status, got.body, http.StatusBadRequest, MessageUnavailable)
		}
	}
}
