package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// rejecting returns a job that rejected 40 products and lists 25 of them, of which p1 is the first.
func rejecting(context.Context, string, string) (reindex.Job, error) {
	job := reindex.Job{ID: "J1", Report: reindex.Report{Rejected: 40}}
	for i := range 25 {
		job.Report.Rejections = append(
			job.Report.Rejections,
			reindex.Rejection{ID: fmt.Sprintf("p%d", i+1), Reason: "no good"},
		)
	}
	return job, nil
}

func TestFailures(t *testing.T) {
	s := serve(t, &fakeEngine{job: rejecting}, Config{})
	for _, tc := range []struct {
		query    string
		first, n int
	}{
		{"", 1, 25},
		{"?pageSize=10", 1, 10},
		{"?pageSize=10&pageNumber=3", 21, 5},
		{"?pageSize=10&pageNumber=4", 0, 0},
		{"?pageSize=2000&pageNumber=2147483647", 0, 0},
		{"?unknown=1", 1, 25},
	} {
		for _, header := range []string{"X-Total-Count: true", "X-Total-Count: false"} {
			got := s.send("GET", jobsPath+"/J1/failures"+tc.query, "", header)
			var failures []failureView
			if err := json.Unmarshal([]byte(got.body), &failures); err != nil || failures == nil || len(failures) != tc.n {
				t.Errorf("%s: got %d failures, %v, want %d", tc.query, len(failures), err, tc.n)
			}
			for i, f := range failures {
				if want := (failureView{ID: "p" + strconv.Itoa(tc.first+i), Reason: "no good"}); f != want {
					t.Errorf("%s: got %+v, want %+v", tc.query, f, want)
				}
			}
			total := ""
			if strings.HasSuffix(header, "true") {
				total = "25"
			}
			if got.header.Get("X-Total-Count") != total || got.header.Get("X-Rejected-Count") != "40" {
				t.Errorf("%s: got headers %v, want the counts %q and 40", header, got.header, total)
			}
		}
	}
	s = serve(t,
		&fakeEngine{job: func(context.Context, string, string) (reindex.Job, error) { return reindex.Job{}, nil }},
		Config{})
	if got := s.send("GET", jobsPath+"/J1/failures", "", "X-Total-Count: true"); got.body != "[]" ||
		got.header.Get("X-Total-Count") != "0" ||
		got.header.Get("X-Rejected-Count") != "0" {
		t.Errorf("got headers %v, body %s; want no failures, and counts of 0", got.header, got.body)
	}
}

func TestFailuresAreRefused(t *testing.T) {
	e := &fakeEngine{job: rejecting}
	s := serve(t, e, Config{})
	for _, query := range []string{"pageNumber=0", "pageSize=2001", "pageSize=1&pageSize=1", "pageNumber=%zz"} {
		if got := s.send("GET", jobsPath+"/J1/failures?"+query, ""); got.status != http.StatusBadRequest {
			t.Errorf("%s: got %d %s, want %d", query, got.status, got.body, http.StatusBadRequest)
		}
	}
	for err, status := range map[error]int{
		reindex.ErrJobNotFound: http.StatusNotFound,
		errors.New("hunter2"):  http.StatusBadRequest,
	} {
		e.job = func(context.Context, string, string) (reindex.Job, error) { return reindex.Job{}, err }
		if got := s.send("GET", jobsPath+"/J1/failures", ""); got.status != status || strings.Contains(got.body, "hunter2") {
			t.Errorf("%v: got %d %s, want %d", err, got.status, got.body, status)
		}
	}
}

// The products that a real run has rejected are listed in the order of its report, with their places in the source.
func TestFailuresOfARun(t *testing.T) {
	products := reindextest.Products(10, "1")
	products[3].Body, products[7].Body = []byte("{"), []byte("[]")
	e, err := reindex.New(
		placed{reindextest.Slice(products)},
		reindextest.NewMemory(),
		&reindex.Config{MaxRejected: 1, ReportItems: 100},
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Shutdown(context.Background()) })
	s := serve(t, e, Config{})
	id := s.create(creation)
	await(t, e, "acme", id)
	job, err := e.Job(t.Context(), "acme", id)
	if err != nil {
		t.Fatal(err)
	}
	got := s.send("GET", jobsPath+"/"+id+"/failures", "", "X-Total-Count: true")
	var failures []failureView
	got.decode(t, &failures)
	if len(failures) != 2 || got.header.Get("X-Total-Count") != "2" || got.header.Get("X-Rejected-Count") != "2" {
		t.Fatalf("got headers %v, body %s; want 2 failures", got.header, got.body)
	}
	for i, r := range job.Report.Rejections {
		if want := (failureView{r.ID, r.Reason, "acme.jsonl, line 7"}); failures[i] != want || r.Reason == "" {
			t.Errorf("got %+v, want %+v", failures[i], want)
		}
	}
}

// placed is a source that has the same place for all products.
type placed struct{ reindextest.Slice }

func (p placed) Open(context.Context, string) (reindex.Snapshot, error) { return p, nil }

func (placed) Locate(_ context.Context, ids ...string) (map[string]string, error) {
	where := map[string]string{}
	for _, id := range ids {
		where[id] = "acme.jsonl, line 7"
	}
	return where, nil
}

// Only the name is shown of a file outside the source's folder, since callers must not see paths of the server.
func TestPlaces(t *testing.T) {
	for where, want := range map[string]string{
		"acme.jsonl, line 7":              "acme.jsonl, line 7",
		"acme/part-1.csv.gz, line 2":      "acme/part-1.csv.gz, line 2",
		"PROGRA~1.csv, line 2":            "PROGRA~1.csv, line 2",
		"row 17":                          "row 17",
		"/srv/acme.jsonl, line 7":         "acme.jsonl, line 7",
		"/srv/acme.jsonl":                 "acme.jsonl",
		`C:\data\acme.jsonl, line 7`:      "acme.jsonl, line 7",
		"C:/data/acme.jsonl, line 7":      "acme.jsonl, line 7",
		`\\host\share\acme.jsonl`:         "acme.jsonl",
		"~shop/acme.jsonl":                "acme.jsonl",
		"a/../../acme.jsonl, line 3":      "acme.jsonl, line 3",
		"file:/srv/acme.jsonl":            "acme.jsonl",
		"/srv/..":                         "",
		"/srv/":                           "",
		"/srv/a.jsonl, within /srv/b.tar": "",
		"https://user:pass@host/x":        "",
		"s3://bucket/x?signature=y, line": "",
		"":                                "",
	} {
		if got := viewFailure(reindex.Rejection{ID: "p", Reason: "r", Where: where}); got.Where != want {
			t.Errorf("%q is shown as %q, want %q", where, got.Where, want)
		}
	}
}
