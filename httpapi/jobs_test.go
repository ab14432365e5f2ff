package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"productindex/httpapi/internal/jobquery"
	"productindex/reindex"
	"productindex/reindex/reindextest"
)

const (
	jobsPath = "/indexing/acme/reindex-jobs"
	creation = `{"entityType":"PRODUCT","rag":false}`
)

// job decodes an answer that is a job.
func (r *result) job(t *testing.T) map[string]any {
	t.Helper()
	var job map[string]any
	r.decode(t, &job)
	return job
}

// await follows a job to its end.
func await(t *testing.T, e *reindex.Engine, tenant, id string) {
	t.Helper()
	for _, err := range e.Watch(t.Context(), tenant, id) {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The life of a job, as a caller sees it.
func TestJob(t *testing.T) {
	hold := make(chan struct{})
	ix := reindextest.NewFaulty(reindextest.NewMemory(), func(c reindextest.Call) reindextest.Fault {
		if c.Op == reindextest.OpSeal {
			<-hold
		}
		return reindextest.Fault{}
	})
	e := newEngine(t, reindextest.Slice(reindextest.Products(100, "1")), ix)
	s := serve(t, e, Config{})

	created := s.send("POST", jobsPath, creation)
	first := created.job(t)
	if created.status != http.StatusCreated || first["entityType"] != "PRODUCT" ||
		first["status"] != "IN_PROGRESS" && first["status"] != "PENDING" {
		t.Fatalf("%d %s", created.status, created.body)
	}
	id, _ := first["id"].(string)
	base, err := url.Parse(jobsPath)
	if err != nil {
		t.Fatal(err)
	}
	address, err := base.Parse(created.header.Get("Location"))
	if err != nil || address.Path != jobsPath+"/"+id {
		t.Errorf("Location %q: %v, %v", created.header["Location"], address, err)
	}

	joined := s.send("POST", jobsPath, creation)
	if joined.status != http.StatusOK || joined.job(t)["id"] != id || joined.header.Get("Location") != "" {
		t.Errorf("joined: %d %s", joined.status, joined.body)
	}
	if got := s.post(full); got.status != http.StatusNoContent {
		t.Errorf("the older endpoint: %d %s", got.status, got.body)
	}

	close(hold)
	await(t, e, "acme", id)
	got := s.send("GET", address.Path, "")
	want := map[string]any{
		"id":             id,
		"entityType":     "PRODUCT",
		"status":         "SUCCESS",
		"expectedCount":  100.0,
		"readCount":      100.0,
		"processedCount": 100.0,
		"rejectedCount":  0.0,
		"duplicateCount": 0.0,
		"conflictCount":  0.0,
		"changesApplied": 0.0,
		"changesRefused": 0.0,
	}
	job := got.job(t)
	for name, value := range want {
		if job[name] != value {
			t.Errorf("%s is %v, want %v", name, job[name], value)
		}
	}
	metadata, _ := job["metadata"].(map[string]any)
	durations, _ := job["durations"].(map[string]any)
	if len(job) != len(want)+2 || len(metadata) != 2 || len(durations) != 7 {
		t.Errorf("%d %s", got.status, got.body)
	}
	for _, name := range []string{"createdAt", "modifiedAt"} {
		text, _ := metadata[name].(string)
		when, err := time.Parse(time.RFC3339, text)
		if err != nil || len(text) != len("2006-01-02T15:04:05.000Z") || time.Since(when) > patience {
			t.Errorf("%s is %q: %v", name, text, err)
		}
	}
	if list := s.send("GET", jobsPath, ""); strings.TrimSpace(list.body) != "["+got.body+"]" {
		t.Errorf("list %s, want the one job %s", list.body, got.body)
	}
	for _, path := range []string{
		"/indexing/other/reindex-jobs/" + id, jobsPath + "/" + id + "x", jobsPath + "/", jobsPath + "/%00",
		jobsPath + "/" + strings.Repeat("A", 129),
	} {
		if got := s.send("GET", path, ""); got.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	if got := s.send("GET", "/indexing/other/reindex-jobs", ""); got.body != "[]" {
		t.Errorf("another tenant's jobs: %d %s", got.status, got.body)
	}
}

// A failed job has the reason. If the source does not count, nothing is expected.
func TestFailedJob(t *testing.T) {
	src := reindex.SourceFunc(func(context.Context, string) iter.Seq2[reindex.Product, error] {
		return func(yield func(reindex.Product, error) bool) {
			yield(reindex.Product{}, errors.New("the shop is closed"))
		}
	})
	e := newEngine(t, src, reindextest.NewMemory())
	s := serve(t, e, Config{})
	created := s.send("POST", jobsPath, creation)
	id, _ := created.job(t)["id"].(string)
	await(t, e, "acme", id)
	job, err := e.Job(t.Context(), "acme", id)
	if err != nil {
		t.Fatal(err)
	}
	got := s.send("GET", jobsPath+"/"+id, "")
	shown := got.job(t)
	if _, expected := shown["expectedCount"]; expected || shown["status"] != "FAILURE" ||
		shown["message"] != job.Message ||
		job.Message == "" {
		t.Errorf("%s, want the message %q", got.body, job.Message)
	}
}

func TestJobCreationIsRefused(t *testing.T) {
	e := &fakeEngine{}
	s := serve(t, e, Config{})
	for _, tc := range []struct{ body, message string }{
		{"", "Missing entityType"},
		{"{}", "Missing entityType"},
		{`{"rag":false}`, "Missing entityType"},
		{`{"entityType":null}`, "Invalid entityType"},
		{`{"entityType":1}`, "Invalid entityType"},
		{`{"entityType":"CATEGORY"}`, "Unsupported entityType"},
		{`{"entityType":"product"}`, "Unsupported entityType"},
		{`{"entityType":"PRODUCT","rag":true}`, "Unsupported rag"},
		{`{"entityType":"PRODUCT","rag":null}`, "Invalid rag"},
		{`{"entityType":"PRODUCT","rag":"false"}`, "Invalid rag"},
		{`{"entityType":"PRODUCT","rag":0}`, "Invalid rag"},
		{`{"entityType":"PRODUCT","entityType":"PRODUCT"}`, "Duplicate field"},
		{`["PRODUCT"]`, "Request body must be a JSON object"},
		{`{"entityType":"PRODUCT"`, "Malformed JSON"},
	} {
		got := s.send("POST", jobsPath, tc.body)
		if started := e.starts(); got.status != http.StatusBadRequest || got.message.Message != tc.message ||
			len(started) > 0 {
			t.Errorf("%s: %d %s, started %q, want %q", tc.body, got.status, got.body, started, tc.message)
		}
	}
	got := s.send("POST", jobsPath, `{"entityType":"CATEGORY"}`)
	if !slices.Equal(got.message.Details, []string{"Supported entity types: PRODUCT"}) {
		t.Errorf("details %q", got.message.Details)
	}
	for _, body := range []string{creation, `{"entityType":"PRODUCT"}`, `{"entityType":"PRODUCT","x":[]}`} {
		if got := s.send("POST", jobsPath, body); got.status != http.StatusCreated {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
}

// listing is a store's part of a listing: 25 jobs, J1 the newest.
func listing(_ context.Context, tenant string, query reindex.JobQuery) ([]reindex.Job, int, error) {
	const total = 25
	var jobs []reindex.Job
	for i := query.Offset; i < min(total, query.Offset+query.Limit); i++ {
		jobs = append(jobs, reindex.Job{
			ID: fmt.Sprintf(
				"J%d",
				i+1,
			),
			Tenant:     tenant,
			EntityType: reindex.EntityProduct,
			Status:     reindex.StatusSuccess,
			Expected:   5,
			Report: reindex.Report{
				Read:       9,
				Indexed:    6,
				Rejected:   2,
				Duplicates: 1,
				Durations: reindex.Durations{
					Load: 1500 * time.Microsecond, CatchUp: 2 * time.Millisecond, Seal: 3 * time.Millisecond,
					Check: 4 * time.Millisecond, Total: time.Second,
				},
			},
			Message:  "left over",
			Created:  time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.FixedZone("", 3600)),
			Modified: time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC),
		})
	}
	return jobs, total, nil
}

func TestPages(t *testing.T) {
	s := serve(t, &fakeEngine{jobs: listing}, Config{})
	for _, tc := range []struct {
		query       string
		first, last string
		n           int
	}{
		{"", "J1", "J25", 25},
		{"?pageSize=10", "J1", "J10", 10},
		{"?pageSize=10&pageNumber=1", "J1", "J10", 10},
		{"?pageSize=10&pageNumber=3", "J21", "J25", 5},
		{"?pageSize=10&pageNumber=4", "", "", 0},
		{"?pageSize=2000&pageNumber=2147483647", "", "", 0},
		{"?pageSize=1&pageNumber=007", "J7", "J7", 1},
		{"?unknown=1&unknown=2", "J1", "J25", 25},
	} {
		got := s.send("GET", jobsPath+tc.query, "")
		var jobs []struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal([]byte(got.body), &jobs); err != nil || jobs == nil || len(jobs) != tc.n {
			t.Errorf("%s: %d jobs, %v, want %d; %d %s", tc.query, len(jobs), err, tc.n, got.status, got.body)
			continue
		}
		if tc.n > 0 && (jobs[0].ID != tc.first || jobs[tc.n-1].ID != tc.last) {
			t.Errorf("%s: %s to %s, want %s to %s", tc.query, jobs[0].ID, jobs[tc.n-1].ID, tc.first, tc.last)
		}
	}
}

// A page has the contract's size unless the caller asks for another, which a store with few jobs cannot show.
func TestDefaultPage(t *testing.T) {
	var asked reindex.JobQuery
	s := serve(t, &fakeEngine{jobs: func(_ context.Context, _ string, query reindex.JobQuery) ([]reindex.Job, int, error) {
		asked = query
		return nil, 0, nil
	}}, Config{})
	s.send("GET", jobsPath, "")
	if asked.Offset != 0 || asked.Limit != 60 {
		t.Errorf("asked for %+v", asked)
	}
	s.send("GET", jobsPath+"?pageSize=2000&pageNumber=3", "")
	if asked.Offset != 4000 || asked.Limit != 2000 {
		t.Errorf("asked for %+v", asked)
	}
}

func TestTotalCount(t *testing.T) {
	s := serve(t, &fakeEngine{jobs: listing}, Config{})
	for _, tc := range []struct{ header, want string }{
		{"X-Total-Count: true", "25"}, {"X-Total-Count: false", ""}, {"X-Other: true", ""},
	} {
		if got := s.send("GET", jobsPath+"?pageSize=1", "", tc.header); got.header.Get("X-Total-Count") != tc.want {
			t.Errorf("%s: %q, want %q", tc.header, got.header["X-Total-Count"], tc.want)
		}
	}
	got := s.send("HEAD", jobsPath, "", "X-Total-Count: true")
	if got.header.Get("X-Total-Count") != "25" || got.body != "" {
		t.Errorf("HEAD: %q, %q", got.header["X-Total-Count"], got.body)
	}
}

func TestFields(t *testing.T) {
	e := &fakeEngine{jobs: listing, job: func(ctx context.Context, tenant, _ string) (reindex.Job, error) {
		jobs, _, err := listing(ctx, tenant, reindex.JobQuery{Limit: 1})
		return jobs[0], err
	}}
	s := serve(t, e, Config{})
	const all = `{"id":"J1","entityType":"PRODUCT","status":"SUCCESS","expectedCount":5,"readCount":9,` +
		`"processedCount":6,"rejectedCount":2,` +
		`"duplicateCount":1,"conflictCount":0,"changesApplied":0,"changesRefused":0,"durations":{"loadMillis":1,` +
		`"sealMillis":9,"totalMillis":1000},"metadata":{"createdAt":"2026-01-02T02:04:05.678Z",` +
		`"modifiedAt":"2026-01-02T03:04:06.000Z"}}`
	for _, tc := range []struct{ fields, want string }{
		{"", all},
		{"?fields=", all},
		{"?fields=,", all},
		{"?fields=id", `{"id":"J1"}`},
		{"?fields=status,id,id", `{"id":"J1","status":"SUCCESS"}`},
		{"?fields=id,%20entityType", `{"id":"J1","entityType":"PRODUCT"}`},
		{"?fields=expectedCount,processedCount", `{"expectedCount":5,"processedCount":6}`},
		{"?fields=duplicateCount,rejectedCount,readCount", `{"readCount":9,"rejectedCount":2,"duplicateCount":1}`},
		{"?fields=durations", `{"durations":{"loadMillis":1,"sealMillis":9,"totalMillis":1000}}`},
		{"?fields=durations.totalMillis,id", `{"id":"J1","durations":{"totalMillis":1000}}`},
		{"?fields=durations.sealMillis,phase,rag", `{"durations":{"sealMillis":9}}`},
		{"?fields=phase,rag", `{}`},
		{"?fields=message", `{}`},
		{"?fields=estimated", `{}`},
		{"?fields=metadata", `{"metadata":{"createdAt":"2026-01-02T02:04:05.678Z","modifiedAt":"2026-01-02T03:04:06.000Z"}}`},
		{"?fields=metadata.createdAt", `{"metadata":{"createdAt":"2026-01-02T02:04:05.678Z"}}`},
		{"?fields=metadata.modifiedAt,id", `{"id":"J1","metadata":{"modifiedAt":"2026-01-02T03:04:06.000Z"}}`},
	} {
		if got := s.send("GET", jobsPath+"/J1"+tc.fields, ""); got.body != tc.want {
			t.Errorf("%s: %d %s, want %s", tc.fields, got.status, got.body, tc.want)
		}
		sep := "?"
		if tc.fields != "" {
			sep = "&"
		}
		if got := s.send("GET", jobsPath+tc.fields+sep+"pageSize=1", ""); got.body != "["+tc.want+"]" {
			t.Errorf("%s: %d %s, want %s in a list", tc.fields, got.status, got.body, tc.want)
		}
	}
}

// An expected count that is only an estimate says so, in one job and in lists.
func TestEstimate(t *testing.T) {
	job := reindex.Job{
		ID:         "J1",
		EntityType: reindex.EntityProduct,
		Status:     reindex.StatusInProgress,
		Expected:   5,
		Estimated:  true,
	}
	s := serve(
		t,
		&fakeEngine{job: found(job), jobs: func(context.Context, string, reindex.JobQuery) ([]reindex.Job, int, error) {
			return []reindex.Job{job}, 1, nil
		}},
		Config{},
	)
	for fields, want := range map[string]string{
		"id,expectedCount,estimated": `{"id":"J1","expectedCount":5,"estimated":true}`,
		"expectedCount":              `{"expectedCount":5}`,
	} {
		one, list := s.send("GET", jobsPath+"/J1?fields="+fields, ""), s.send("GET", jobsPath+"?fields="+fields, "")
		if one.body != want || list.body != "["+want+"]" {
			t.Errorf("%s and %s, want %s", one.body, list.body, want)
		}
	}
	got := s.send("GET", jobsPath+"/J1", "")
	if !strings.Contains(got.body, `"expectedCount":5,"estimated":true,"readCount":0`) {
		t.Errorf("%s", got.body)
	}
}

// queries are refused by the list, each with a message.
var queries = []struct{ query, message string }{
	{"pageNumber=0", "Invalid pageNumber"},
	{"pageNumber=-1", "Invalid pageNumber"},
	{"pageNumber=+1", "Invalid pageNumber"},
	{"pageNumber=1.0", "Invalid pageNumber"},
	{"pageNumber=", "Invalid pageNumber"},
	{"pageNumber=0x1", "Invalid pageNumber"},
	{"pageNumber=2147483648", "Invalid pageNumber"},
	{"pageNumber=99999999999999999999", "Invalid pageNumber"},
	{"pageNumber=1&pageNumber=1", "Ambiguous pageNumber"},
	{"pageSize=0", "Invalid pageSize"},
	{"pageSize=2001", "Invalid pageSize"},
	{"pageSize=all", "Invalid pageSize"},
	{"pageSize=1&pageSize=2", "Ambiguous pageSize"},
	{"fields=name", "Unknown field"},
	{"fields=id,metadata.", "Unknown field"},
	{"fields=ID", "Unknown field"},
	{"fields=id&fields=status", "Ambiguous fields"},
	{"q=status:DONE", "Invalid q"},
	{"q=&q=", "Ambiguous q"},
	{"sort=name", "Invalid sort"},
	{"sort=id&sort=id", "Ambiguous sort"},
	{"pageNumber=%zz", "Malformed query"},
	{"a;b", "Malformed query"},
}

func TestQueriesAreRefused(t *testing.T) {
	s := serve(t, &fakeEngine{}, Config{})
	for _, tc := range queries {
		if got := s.send("GET", jobsPath+"?"+tc.query, ""); got.status != http.StatusBadRequest ||
			got.message.Message != tc.message {
			t.Errorf("%s: %d %s, want %q", tc.query, got.status, got.body, tc.message)
		}
		if strings.Contains(tc.query, "fields") {
			got := s.send("GET", jobsPath+"/J1?"+tc.query, "")
			if got.status != http.StatusBadRequest || got.message.Message != tc.message {
				t.Errorf("one job: %s: %d %s, want %q", tc.query, got.status, got.body, tc.message)
			}
		}
	}
}

// The answer of an engine that cannot look jobs up has as little of the reason as that of one that cannot start them.
func TestLookUpFails(t *testing.T) {
	e := &fakeEngine{
		job: func(context.Context, string, string) (reindex.Job, error) {
			return reindex.Job{}, errors.New("hunter2")
		},
		jobs: func(context.Context, string, reindex.JobQuery) ([]reindex.Job, int, error) {
			return nil, 0, errors.New("hunter2")
		},
		start: func(context.Context, string) (reindex.Job, bool, error) {
			return reindex.Job{}, false, errors.New("hunter2")
		},
	}
	s := serve(t, e, Config{})
	for _, got := range []result{
		s.send("GET", jobsPath, ""), s.send("GET", jobsPath+"/J1", ""), s.send("POST", jobsPath, creation),
	} {
		if got.status != http.StatusBadRequest || got.message.Message != MessageUnavailable ||
			strings.Contains(got.body, "hunter2") {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	s.srv.Close()
	if log := s.log.String(); strings.Count(log, "hunter2") != 3 {
		t.Errorf("log %s", log)
	}
}

// Ids that are not valid do not reach the engine.
func TestJobIDs(t *testing.T) {
	asked := 0
	s := serve(t, &fakeEngine{job: func(context.Context, string, string) (reindex.Job, error) {
		asked++
		return reindex.Job{}, reindex.ErrJobNotFound
	}}, Config{})
	for _, id := range []string{"", "%00", "a%2Fb", "..", "a%20b", "%27--", "%C3%A4", strings.Repeat("A", 129)} {
		if got := s.send("GET", jobsPath+"/"+id, ""); got.status != http.StatusNotFound || asked > 0 {
			t.Errorf("%q: %d %s, asked %d times", id, got.status, got.body, asked)
		}
	}
	if got := s.send("GET", jobsPath+"/"+strings.Repeat("A", 128), ""); got.status != http.StatusNotFound || asked != 1 {
		t.Errorf("%d %s, asked %d times", got.status, got.body, asked)
	}
}

func FuzzJobQuery(f *testing.F) {
	for _, tc := range queries {
		f.Add(tc.query)
	}
	f.Add("pageNumber=2&pageSize=10&fields=id,metadata.createdAt&x=1")
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := parseJobQuery(raw)
		if err != nil {
			res := toWire(err, "R1")
			if res.status != http.StatusBadRequest || strings.Contains(string(res.body), MessageUnavailable) {
				t.Fatalf("%q: %#v", raw, err)
			}
			return
		}
		if q.page.number < 1 || q.page.size < 1 || q.page.size > 2000 || q.page.offset() < 0 {
			t.Fatalf("%q: %+v", raw, q)
		}
		q.fields.Of(jobquery.Show(jobquery.Job{Record: reindex.Job{}})) // knows every field
	})
}
