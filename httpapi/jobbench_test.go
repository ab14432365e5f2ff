package httpapi

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"productindex/httpapi/internal/jobquery"
	"productindex/reindex"
)

// BenchmarkJobQuery selects a page of 10,000 jobs, as a store in memory does. Every second job has failed.
func BenchmarkJobQuery(b *testing.B) {
	jobs := make([]reindex.Job, 10_000)
	for i := range jobs {
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(-time.Duration(i) * time.Minute)
		jobs[i] = reindex.Job{
			ID:         fmt.Sprintf("J%d", i),
			Tenant:     "acme",
			EntityType: reindex.EntityProduct,
			Status:     reindex.StatusSuccess,
			Expected: int64(
				i * 7919 % 10_000,
			),
			Report:   reindex.Report{Indexed: int64(i * 7919 % 10_000)},
			Created:  at,
			Modified: at,
		}
		if i%2 > 0 {
			jobs[i].Status, jobs[i].Message = reindex.StatusFailure, strings.Repeat("the shop did not answer ", 10)
		}
	}
	for _, bc := range []struct{ name, q, sort string }{
		{"none", "", ""},
		{"text", "status:FAILURE", ""},
		{
			"several", `status:(FAILURE,SUCCESS) processedCount:(>=10 AND <=9990) metadata.createdAt:>"2020-01-01T00:00:00Z"`,
			"",
		},
		{"regex", "message:~(?i)timeout|refused|no.such.host", ""},
		{"largest regex", "message:~(.?){49}x", ""},
		{"most conditions", strings.Repeat("id:exists ", jobquery.MaxConditions/10), ""},
		{"most values", "processedCount:(" + strings.Repeat("1,", jobquery.MaxConditions/2-10) + "1)", ""},
		{"sort", "", "processedCount:desc"},
		{"sort and q", "status:FAILURE", "status,processedCount:desc"},
	} {
		b.Run(bc.name, func(b *testing.B) {
			q, err := parseJobQuery(url.Values{"q": {bc.q}, "sort": {bc.sort}}.Encode())
			if err != nil {
				b.Fatal(err)
			}
			query := q.forStore(b.Context(), engines{}.shown)
			b.ReportAllocs()
			for b.Loop() {
				query.Select(slices.Clone(jobs))
			}
		})
	}
}
