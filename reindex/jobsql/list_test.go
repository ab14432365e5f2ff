package jobsql

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"productindex/reindex"
)

// fill stores n ended jobs of a tenant. Each report lists a hundred rejections.
func fill(tb testing.TB, s *Store, tenant string, n int) {
	tb.Helper()
	job := reindex.Job{Report: reindex.Report{
		Read:     47_551,
		Indexed:  47_451,
		Rejected: 100,
		Expected: 47_551,
		Replaced: 47_000,
		Bytes:    40 << 20,
		Batches:  48,
		Retries:  2,
		Durations: reindex.Durations{
			Pending: 12_345,
			Begin:   123_456_789,
			Load:    3_123_456_789,
			Seal:    223_456_789,
			Commit:  23_456_789,
			Total:   3_923_456_789,
		},
	}}
	for i := range 100 {
		job.Report.Rejections = append(job.Report.Rejections, reindex.Rejection{
			ID:     fmt.Sprintf("product-%d", i),
			Reason: "the index refused it: failed to parse field [price] of type [double]",
			Where:  "acme.jsonl.gz, line 12345",
		})
	}
	listed, err := encodeLists(&job.Report)
	if err != nil {
		tb.Fatal(err)
	}
	for _, statement := range []string{
		`INSERT INTO reindex_jobs (tenant, fence, id, entity_type, status, ended, cancelled, lease_end, estimated, message,
			created, modified, numbers, listed)
		SELECT '` + tenant + `', i, 'CUQ7H3PZ4VXJ2M5NBKTAWS' || i, 'PRODUCT',
			CASE i % 3 WHEN 0 THEN 'FAILURE' ELSE 'SUCCESS' END, TRUE, FALSE, i, FALSE,
			CASE i % 3 WHEN 0 THEN 'writing to the new index failed; the service''s log has the details' ELSE '' END,
			1700000000000000000 + i * 1000000000, 1700000000000000000 + i * 1000000000,
			'[47551,' || (i * 7919 % 10007) || ',` + strings.TrimPrefix(encodeNumbers(&job), "[0,0,") + `', TRUE FROM n`,
		`INSERT INTO reindex_job_lists (tenant, fence, lists)
		SELECT '` + tenant + `', i, '` + strings.ReplaceAll(listed, "'", "''") + `' FROM n`,
	} {
		statement = fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) ",
			n) + statement
		if _, err := s.db.ExecContext(tb.Context(), statement); err != nil {
			tb.Fatal(err)
		}
	}
}

// BenchmarkList10000 reads the first page of a tenant with 10,000 stored jobs, whose reports are long.
func BenchmarkList10000(b *testing.B) {
	s := newSQLite(b).store(b, Config{History: 10_000})
	fill(b, s, "acme", 10_000)
	for _, test := range []struct {
		name  string
		query reindex.JobQuery
		total int
	}{
		{"Newest", reindex.JobQuery{}, 10_000},
		{"MatchAndCompare", reindex.JobQuery{
			Match:   func(j reindex.Job) bool { return j.Status == reindex.StatusSuccess && j.Report.Rejected > 0 },
			Compare: func(x, y reindex.Job) int { return cmp.Compare(x.Processed, y.Processed) },
		}, 6667},
	} {
		b.Run(test.name, func(b *testing.B) {
			test.query.Limit = 60
			b.ReportAllocs()
			for b.Loop() {
				jobs, total, err := s.List(b.Context(), "acme", test.query)
				if err != nil || len(jobs) != 60 || total != test.total {
					b.Fatalf("got %d jobs of %d, error %v, want 60 of %d", len(jobs), total, err, test.total)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/list")
		})
	}
}

// Every integer field of a job and of its report is stored.
func TestNumbers(t *testing.T) {
	elsewhere := []string{"Fence"} // in a column of its own
	var want reindex.Job
	n := int64(0)
	var number func(v reflect.Value)
	number = func(v reflect.Value) {
		for i := range v.NumField() {
			switch f := v.Field(i); {
			case f.Kind() == reflect.Int64 && !slices.Contains(elsewhere, v.Type().Field(i).Name):
				n++
				f.SetInt(math.MinInt64 + n)
			case f.Kind() == reflect.Struct && f.Type() != reflect.TypeFor[time.Time]():
				number(f)
			}
		}
	}
	number(reflect.ValueOf(&want).Elem())
	var got reindex.Job
	if err := decodeNumbers(encodeNumbers(&want), &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("decoded %+v, error %v, want %+v", got, err, want)
	}
}

// A record of an older version lacks numbers, and one of a newer version has more.
func TestNumbersOfOtherVersions(t *testing.T) {
	got := reindex.Job{Report: reindex.Report{Replaced: -1}}
	want := reindex.Job{Expected: 1, Processed: 2, Report: reindex.Report{Replaced: -1}}
	if err := decodeNumbers("[1,2]", &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("two numbers: decoded %+v, error %v, want %+v", got, err, want)
	}
	text := "[1" + strings.Repeat(",2", 100) + "]"
	if err := decodeNumbers(text, &got); err != nil || got.Expected != 1 || got.Report.Durations.Total != 2 {
		t.Errorf("101 numbers: decoded %+v, error %v, want Expected 1 and Durations.Total 2", got, err)
	}
	for _, text := range []string{
		"", "[", "[]", "1", "[1", "1]", "[1,]", "[,1]", "[1 ,2]", "[x]", `{"a":1}`, "[1.5]", "[9223372036854775808]",
	} {
		if err := decodeNumbers(text, &got); err == nil {
			t.Errorf("%q was decoded, want an error", text)
		}
	}
}

// FuzzDecodeNumbers checks that numbers which decode are the same after they are encoded and decoded again.
func FuzzDecodeNumbers(f *testing.F) {
	for _, seed := range []string{
		"[0]", "[1,-2,3]", "[]", "[9223372036854775807,-9223372036854775808]", "[1,,2]", "[+1]", "[01]",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var j, again reindex.Job
		if decodeNumbers(text, &j) != nil {
			return
		}
		if err := decodeNumbers(encodeNumbers(&j), &again); err != nil || !reflect.DeepEqual(j, again) {
			t.Errorf("%q was decoded as %+v, and after encoding as %+v, error %v", text, j, again, err)
		}
	})
}

func FuzzLists(f *testing.F) {
	f.Add("p1", "no \"price\"", "a.jsonl, line 7", "d1")
	f.Add("", "\x00", "\xff", "日本")
	f.Fuzz(func(t *testing.T, id, reason, where, duplicate string) {
		want := reindex.Report{
			Rejections:   []reindex.Rejection{{ID: id, Reason: reason, Where: where}},
			DuplicateIDs: []string{duplicate},
		}
		text, err := encodeLists(&want)
		if err != nil || strings.ContainsRune(text, 0) {
			t.Fatalf("encoded as %q, error %v, want a text without NUL", text, err)
		}
		rejection := &want.Rejections[0]
		for _, s := range []*string{&rejection.ID, &rejection.Reason, &rejection.Where, &want.DuplicateIDs[0]} {
			*s = strings.ToValidUTF8(string([]rune(*s)), "\uFFFD") // as encoding/json does
		}
		var got reindex.Report
		if err := decodeLists(text, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v was read, error %v; want %+v", got, err, want)
		}
	})
}
