package httpapi

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

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

// A caller creates a job, another call joins it, and both see its end.
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
		t.Fatalf("got %d %s, want 201 and a job that has not ended", created.status, created.body)
	}
	id, _ := first["id"].(string)
	base, err := url.Parse(jobsPath)
	if err != nil {
		t.Fatal(err)
	}
	address, err := base.Parse(created.header.Get("Location"))
	if err != nil || address.Path != jobsPath+"/"+id {
		t.Errorf("Location %q: got %v, error %v, want the URL of the job", created.header["Location"], address, err)
	}

	joined := s.send("POST", jobsPath, creation)
	if joined.status != http.StatusOK || joined.job(t)["id"] != id || joined.header.Get("Location") != "" {
		t.Errorf("joined: got %d %s, want 200 and the same job, without Location", joined.status, joined.body)
	}
	if got := s.post(full); got.status != http.StatusNoContent {
		t.Errorf("the older endpoint: got %d %s, want %d", got.status, got.body, http.StatusNoContent)
	}

	close(hold)
	await(t, e, "acme", id)
	checkEndedJob(t, s, id)
	for _, path := range []string{
		"/indexing/other/reindex-jobs/" + id, jobsPath + "/" + id + "x", jobsPath + "/", jobsPath + "/%00",
		jobsPath + "/" + strings.Repeat("A", 129),
	} {
		if got := s.send("GET", path, ""); got.status != http.StatusNotFound {
			t.Errorf("%s: got %d %s, want %d", path, got.status, got.body, http.StatusNotFound)
		}
	}
	if got := s.send("GET", "/indexing/other/reindex-jobs", ""); got.body != "[]" {
		t.Errorf("another tenant's jobs: got %d %s, want none", got.status, got.body)
	}
}

// checkEndedJob checks the fields of the only job of acme, which has indexed 100 products.
func checkEndedJob(t *testing.T, s *service, id string) {
	t.Helper()
	got := s.send("GET", jobsPath+"/"+id, "")
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
		t.Errorf("got %d %s, want %v, the metadata and 7 durations", got.status, got.body, want)
	}
	for _, name := range []string{"createdAt", "modifiedAt"} {
		text, _ := metadata[name].(string)
		when, err := time.Parse(time.RFC3339, text)
		if err != nil || len(text) != len("2006-01-02T15:04:05.000Z") || time.Since(when) > patience {
			t.Errorf("%s is %q, error %v, want a recent time with milliseconds", name, text, err)
		}
	}
	if list := s.send("GET", jobsPath, ""); strings.TrimSpace(list.body) != "["+got.body+"]" {
		t.Errorf("got the list %s, want the one job %s", list.body, got.body)
	}
}

// A failed job has the reason, and no expectedCount if the source cannot count.
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
		t.Errorf("got %s, want the message %q", got.body, job.Message)
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
		t.Errorf("got the details %q, want the supported types", got.message.Details)
	}
	for _, body := range []string{creation, `{"entityType":"PRODUCT"}`, `{"entityType":"PRODUCT","x":[]}`} {
		if got := s.send("POST", jobsPath, body); got.status != http.StatusCreated {
			t.Errorf("%s: got %d %s, want %d", body, got.status, got.body, http.StatusCreated)
		}
	}
}

// A job whose expectedCount is an estimate has the field estimated, also in lists.
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
			t.Errorf("got %s and %s, want %s", one.body, list.body, want)
		}
	}
	got := s.send("GET", jobsPath+"/J1", "")
	if !strings.Contains(got.body, `"expectedCount":5,"estimated":true,"readCount":0`) {
		t.Errorf("the job is %s, want an estimate", got.body)
	}
}

// If an engine fails, the answer does not show the reason, but the log does.
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
			t.Errorf("got %d %s, want %d %s", got.status, got.body, http.StatusBadRequest, MessageUnavailable)
		}
	}
	s.srv.Close()
	if log := s.log.String(); strings.Count(log, "hunter2") != 3 {
		t.Errorf("the log is %s, want the reason three times", log)
	}
}

// Only a valid id reaches the engine.
func TestJobIDs(t *testing.T) {
	asked := 0
	s := serve(t, &fakeEngine{job: func(context.Context, string, string) (reindex.Job, error) {
		asked++
		return reindex.Job{}, reindex.ErrJobNotFound
	}}, Config{})
	for _, id := range []string{"", "%00", "a%2Fb", "..", "a%20b", "%27--", "%C3%A4", strings.Repeat("A", 129)} {
		if got := s.send("GET", jobsPath+"/"+id, ""); got.status != http.StatusNotFound || asked > 0 {
			t.Errorf("%q: got %d %s, %d calls of the engine; want 404 and none", id, got.status, got.body, asked)
		}
	}
	if got := s.send("GET", jobsPath+"/"+strings.Repeat("A", 128), ""); got.status != http.StatusNotFound || asked != 1 {
		t.Errorf("a valid id: got %d %s, %d calls of the engine; want 404 and one", got.status, got.body, asked)
	}
}
