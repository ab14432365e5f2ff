package bleveindex

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/blevesearch/bleve/v2"

	"productindex/reindex/reindextest"
)

// shopperQuery is a line of queries.tsv: a catalogue, the text that a shopper types, and a rule for the first hits.
type shopperQuery struct{ catalogue, text, rule string }

func readShopperQueries(t *testing.T) []shopperQuery {
	t.Helper()
	content, err := os.ReadFile(reindextest.Catalogue(t, "queries.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	var all []shopperQuery
	for line := range strings.Lines(string(content)) {
		fields := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(fields) != 3 {
			t.Fatalf("a line of queries.tsv is %q, want three fields", line)
		}
		all = append(all, shopperQuery{fields[0], fields[1], fields[2]})
	}
	return all
}

// meets reports whether a product meets a rule. A rule has conditions, separated by " & ". The condition field=a|b
// requires one of these values, and field~expression a match of a regular expression. The field text stands for the
// whole product.
func meets(t *testing.T, body []byte, rule string) bool {
	t.Helper()
	var product map[string]any
	if err := json.Unmarshal(body, &product); err != nil {
		t.Fatal(err)
	}
	for condition := range strings.SplitSeq(rule, " & ") {
		at := strings.IndexAny(condition, "=~")
		field, want := condition[:at], condition[at+1:]
		value, _ := product[field].(string)
		if field == "text" {
			value = string(body)
		}
		ok := slices.Contains(strings.Split(want, "|"), value)
		if condition[at] == '~' {
			ok = regexp.MustCompile("(?i)" + want).MatchString(value)
		}
		if !ok {
			return false
		}
	}
	return true
}

// The first three hits of nearly all queries meet the rule of the query. If fewer products meet the rule, they come
// first.
func TestShopperQueries(t *testing.T) {
	if reindextest.RaceDetected {
		t.Skip("whole catalogues take minutes under the race detector, and other tests load and search concurrently")
	}
	const enough = 48 // of 51
	queries := readShopperQueries(t)
	ix := open(t, t.TempDir(), nil)
	loaded := map[string][][]byte{}
	right := 0
	for _, q := range queries {
		if loaded[q.catalogue] == nil {
			products := readCatalogue(t, q.catalogue+".jsonl.gz")
			if os.Getenv("CI") != "true" {
				products = someOf(products)
			}
			load(t, ix, q.catalogue, products)
			for _, p := range products {
				loaded[q.catalogue] = append(loaded[q.catalogue], p.Body)
			}
		}
		meeting := 0
		for _, body := range loaded[q.catalogue] {
			if meeting < 3 && meets(t, body, q.rule) {
				meeting++
			}
		}
		query := Query(q.text, nil)
		req := bleve.NewSearchRequestOptions(query, 3, 0, false)
		req.Fields = []string{BodyField, "name", "category", "style"}
		result, err := ix.Search(t.Context(), q.catalogue, req)
		if err != nil {
			t.Fatal(err)
		}
		ok := len(result.Hits) >= meeting
		for _, hit := range result.Hits[:min(meeting, len(result.Hits))] {
			body, _ := Body(hit)
			ok = ok && meets(t, body, q.rule)
		}
		if ok {
			right++
			continue
		}
		t.Logf("%s: %q, want %s; %d hits, %+v", q.catalogue, q.text, q.rule, result.Total, query.Explanation())
		for _, hit := range result.Hits {
			t.Logf("    %.3f %v, %v, %v", hit.Score, hit.Fields["name"], hit.Fields["category"], hit.Fields["style"])
		}
	}
	if right < enough*len(queries)/51 {
		t.Errorf("%d of %d queries have the right hits first, want %d of 51", right, len(queries), enough)
	}
}
