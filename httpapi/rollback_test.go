package httpapi

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// rollbacks is a Rollbacker with the results of a test.
type rollbacks struct {
	fakeEngine

	infos    []reindex.GenerationInfo
	unlisted error // of the list
	err      error
	joins    bool
	asked    []reindex.Options
}

func (r *rollbacks) StartWith(_ context.Context, tenant string, o reindex.Options) (reindex.Job, bool, error) {
	r.asked = append(r.asked, o)
	job := reindex.Job{ID: "R1", Tenant: tenant, EntityType: "PRODUCT", Options: o, Generation: o.Generation}
	return job, !r.joins, r.err
}

func (r *rollbacks) Generations(context.Context, string) ([]reindex.GenerationInfo, error) {
	return r.infos, cmp.Or(r.unlisted, r.err)
}

const (
	rollbackPath    = "/indexing/acme/rollback"
	generationsPath = "/indexing/acme/generations"
)

func TestRollback(t *testing.T) {
	r := &rollbacks{infos: []reindex.GenerationInfo{{Name: "g-2", Live: true}, {Name: "g-1"}}}
	s := serve(t, &fakeEngine{}, Config{Rollbacks: r}).describe()
	for _, test := range []struct {
		path, body string
		want       reindex.Options
	}{
		{rollbackPath, "", reindex.Options{}},
		{rollbackPath, "{}", reindex.Options{}},
		{rollbackPath, `{"generation":"g-1"}`, reindex.Options{Generation: "g-1"}},
		{rollbackPath + "?dryRun=true", `{"difference":true}`, reindex.Options{DryRun: true, Difference: true}},
	} {
		test.want.Rollback, r.asked = true, nil
		got := s.send(http.MethodPost, test.path, test.body)
		if got.status != http.StatusAccepted || !strings.Contains(got.body, `"mode":"ROLLBACK"`) ||
			got.header.Get("Location") != "reindex-jobs/R1" {
			t.Errorf("%s: got %d %s, want %d", test.body, got.status, got.body, http.StatusAccepted)
		}
		if len(r.asked) != 1 || r.asked[0] != test.want {
			t.Errorf("%s asks for %+v, want %+v", test.body, r.asked, test.want)
		}
		if shown := strings.Contains(got.body, `"generation":"g-1"`); shown != (test.want.Generation != "") {
			t.Errorf("%s: got %s, want the generation only if it was asked for", test.body, got.body)
		}
	}
	r.joins = true
	if got := s.send(http.MethodPost, rollbackPath, ""); got.status != http.StatusOK {
		t.Errorf("joining a rollback: got %d %s, want %d", got.status, got.body, http.StatusOK)
	}
}

func TestRollbackRefuses(t *testing.T) {
	r := &rollbacks{}
	s := serve(t, &fakeEngine{}, Config{Rollbacks: r, Authorizer: func(r *http.Request, _, scope string) error {
		if scope == ScopeManage && r.Header.Get("Manage") == "" {
			return &ScopeError{}
		}
		return nil
	}}).describe()
	for body, want := range map[string]string{
		`[]`: "object", `{"generation":""}`: "Invalid generation", `{"generation":7}`: "must be a string",
		`{"generation":"` + strings.Repeat("x", 513) + `"}`: "Invalid generation",
		`{"generations":"x"}`:                               "Unknown field", `{"dryRun":1}`: "Invalid dryRun",
	} {
		got := s.send(http.MethodPost, rollbackPath, body, "Manage: yes")
		if got.status != http.StatusBadRequest || !strings.Contains(got.body, want) {
			t.Errorf("%.40s: got %d %s, want %q", body, got.status, got.body, want)
		}
	}
	if got := s.send(http.MethodPost, rollbackPath, ""); got.status != http.StatusForbidden || len(r.asked) > 0 {
		t.Errorf("without the scope: got %d, want %d", got.status, http.StatusForbidden)
	}
	for err, want := range map[error]int{
		reindex.ErrRunning: http.StatusConflict, errors.ErrUnsupported: http.StatusBadRequest,
		errors.New("secret"): http.StatusBadRequest,
	} {
		r.err = err
		got := s.send(http.MethodPost, rollbackPath, "", "Manage: yes")
		if got.status != want || strings.Contains(got.body, "secret") {
			t.Errorf("%v: got %d %s, want %d", err, got.status, got.body, want)
		}
	}
	r.err = errors.New("secret")
	if got := s.send(http.MethodGet, generationsPath, ""); got.status != http.StatusBadRequest {
		t.Errorf("generations that cannot be listed: got %d %s, want %d", got.status, got.body, http.StatusBadRequest)
	}
	r.err = errors.ErrUnsupported
	if got := s.send(http.MethodGet, generationsPath, ""); got.status != http.StatusOK || got.body != "[]" {
		t.Errorf("generations of an index that keeps none: got %d %s, want 200 []", got.status, got.body)
	}
}

// A rollback that cannot succeed is refused. If it is not known whether it can, it is started.
func TestRollbackToNothing(t *testing.T) {
	live, kept := reindex.GenerationInfo{Name: "g-2", Live: true}, reindex.GenerationInfo{Name: "g-1"}
	for _, test := range []struct {
		infos []reindex.GenerationInfo
		body  string
		want  string // of the 409; empty for a job
	}{
		{nil, "", "There is nothing to go back to"},
		{nil, `{"generation":"g-1"}`, "There is no such generation"},
		{[]reindex.GenerationInfo{live}, `{"dryRun":true}`, "There is nothing to go back to"},
		{[]reindex.GenerationInfo{live, kept}, `{"generation":"g-0"}`, "There is no such generation"},
		{[]reindex.GenerationInfo{live, kept}, "", ""},
		{[]reindex.GenerationInfo{kept}, "", ""},                     // nothing seems to be live
		{[]reindex.GenerationInfo{live}, `{"generation":"g-2"}`, ""}, // which changes nothing
	} {
		r := &rollbacks{infos: test.infos}
		s := serve(t, &fakeEngine{}, Config{Rollbacks: r}).describe()
		got := s.send(http.MethodPost, rollbackPath, test.body)
		if refused := len(r.asked) == 0; refused != (test.want != "") {
			t.Errorf("%+v, %s: %d jobs began, want that the rollback is refused: %v",
				test.infos, test.body, len(r.asked), test.want != "")
		}
		if test.want != "" && (got.status != http.StatusConflict || !strings.Contains(got.body, test.want)) {
			t.Errorf("%+v, %s: got %d %s, want %d", test.infos, test.body, got.status, got.body, http.StatusConflict)
		}
	}
	r := &rollbacks{unlisted: errors.New("the index is busy")}
	got := serve(t, &fakeEngine{}, Config{Rollbacks: r}).describe().send(http.MethodPost, rollbackPath, "")
	if got.status != http.StatusAccepted {
		t.Errorf("generations that cannot be listed: got %d %s, want %d", got.status, got.body, http.StatusAccepted)
	}
}

func TestGenerations(t *testing.T) {
	at := time.Date(2026, 11, 26, 4, 5, 6, 7e6, time.UTC)
	r := &rollbacks{infos: []reindex.GenerationInfo{
		{Name: "g-2", Live: true, Created: at, Documents: 7, Bytes: 1 << 40, Job: "J2"},
		{Name: "g-1", Replaced: at, Documents: -1, Bytes: -1},
	}}
	s := serve(t, &fakeEngine{}, Config{Rollbacks: r}).describe()
	want := `[{"name":"g-2","live":true,"createdAt":"2026-11-26T04:05:06.007Z","documents":7,"bytes":1099511627776,` +
		`"jobId":"J2"},{"name":"g-1","live":false,"replacedAt":"2026-11-26T04:05:06.007Z"}]`
	if got := s.send(http.MethodGet, generationsPath, ""); got.body != want {
		t.Errorf("got %d %s, want %s", got.status, got.body, want)
	}
	got := serve(t, &fakeEngine{}, Config{}).send(http.MethodGet, generationsPath, "")
	if got.status != http.StatusNotFound {
		t.Errorf("without Config.Rollbacks: got %d, want %d", got.status, http.StatusNotFound)
	}
}

// A rollback with a real engine succeeds, and the list shows the job that made each generation.
func TestRollbackOfAnEngine(t *testing.T) {
	index := reindextest.NewMemory()
	index.KeepPrevious = 1
	engine, err := reindex.New(reindextest.Slice(reindextest.Products(3, "1")), index, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, engine, Config{Rollbacks: engine}).describe()
	for range 2 {
		if got := s.send(http.MethodPost, rollbackPath, ""); got.status != http.StatusConflict {
			t.Errorf("without a previous generation: got %d %s, want %d", got.status, got.body, http.StatusConflict)
		}
		if _, err := engine.Run(t.Context(), "acme"); err != nil {
			t.Fatal(err)
		}
	}
	before, err := engine.Generations(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	got := s.send(http.MethodPost, rollbackPath, "")
	if got.status != http.StatusAccepted {
		t.Fatalf("got %d %s, want %d", got.status, got.body, http.StatusAccepted)
	}
	jobs, _, err := engine.Jobs(t.Context(), "acme", reindex.JobQuery{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range engine.Watch(t.Context(), "acme", jobs[0].ID) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := s.send(http.MethodGet, generationsPath, ""); !strings.HasPrefix(got.body, `[{"name":"`+before[1].Name) ||
		!strings.Contains(got.body, `"jobId":"`+before[1].Job) {
		t.Errorf("got %d %s, want generation %s first, with its job", got.status, got.body, before[1].Name)
	}
}
