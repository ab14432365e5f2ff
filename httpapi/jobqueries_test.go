package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"productindex/httpapi/internal/jobquery"
	"productindex/reindex"
)

// listing is a store with 25 jobs, of which J1 is the newest.
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
			t.Errorf("%s: got %d jobs, %v, want %d; %d %s", tc.query, len(jobs), err, tc.n, got.status, got.body)
			continue
		}
		if tc.n > 0 && (jobs[0].ID != tc.first || jobs[tc.n-1].ID != tc.last) {
			t.Errorf("%s: got %s to %s, want %s to %s", tc.query, jobs[0].ID, jobs[tc.n-1].ID, tc.first, tc.last)
		}
	}
}

// By default, a page has 60 jobs.
func TestDefaultPage(t *testing.T) {
	var asked reindex.JobQuery
	s := serve(t, &fakeEngine{jobs: func(_ context.Context, _ string, query reindex.JobQuery) ([]reindex.Job, int, error) {
		asked = query
		return nil, 0, nil
	}}, Config{})
	s.send("GET", jobsPath, "")
	if asked.Offset != 0 || asked.Limit != 60 {
		t.Errorf("asked for %+v, want the first 60", asked)
	}
	s.send("GET", jobsPath+"?pageSize=2000&pageNumber=3", "")
	if asked.Offset != 4000 || asked.Limit != 2000 {
		t.Errorf("asked for %+v, want 2,000 from 4,000 on", asked)
	}
}

func TestTotalCount(t *testing.T) {
	s := serve(t, &fakeEngine{jobs: listing}, Config{})
	for _, tc := range []struct{ header, want string }{
		{"X-Total-Count: true", "25"}, {"X-Total-Count: false", ""}, {"X-Other: true", ""},
	} {
		if got := s.send("GET", jobsPath+"?pageSize=1", "", tc.header); got.header.Get("X-Total-Count") != tc.want {
			t.Errorf("%s: got %q, want %q", tc.header, got.header["X-Total-Count"], tc.want)
		}
	}
	got := s.send("HEAD", jobsPath, "", "X-Total-Count: true")
	if got.header.Get("X-Total-Count") != "25" || got.body != "" {
		t.Errorf("HEAD: got the count %q and the body %q, want 25 and none", got.header["X-Total-Count"], got.body)
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
			t.Errorf("%s: got %d %s, want %s", tc.fields, got.status, got.body, tc.want)
		}
		sep := "?"
		if tc.fields != "" {
			sep = "&"
		}
		if got := s.send("GET", jobsPath+tc.fields+sep+"pageSize=1", ""); got.body != "["+tc.want+"]" {
			t.Errorf("%s: got %d %s, want %s in a list", tc.fields, got.status, got.body, tc.want)
		}
	}
}

// queries has invalid queries of a list with the messages of their answers.
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
			t.Errorf("%s: got %d %s, want %q", tc.query, got.status, got.body, tc.message)
		}
		if strings.Contains(tc.query, "fields") {
			got := s.send("GET", jobsPath+"/J1?"+tc.query, "")
			if got.status != http.StatusBadRequest || got.message.Message != tc.message {
				t.Errorf("one job, %s: got %d %s, want %q", tc.query, got.status, got.body, tc.message)
			}
		}
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
				t.Fatalf("%q: got %#v, want an answer for the caller", raw, err)
			}
			return
		}
		if q.page.number < 1 || q.page.size < 1 || q.page.size > 2000 || q.page.offset() < 0 {
			t.Fatalf("%q: got %+v, want a page within the limits", raw, q)
		}
		q.fields.Of(jobquery.Show(jobquery.Job{Record: reindex.Job{}})) // panics on an unknown field
	})
}
