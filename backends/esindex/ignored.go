package esindex

import (
	"context"
	"fmt"
	"strings"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// ignoredAtMost is how many names of ignored values are looked at.
const ignoredAtMost = 10_000

// countIgnored counts the fields that the index ignores as it has too many. The server notes with each product which of
// its values it has ignored, also those that do not fit their field: these fields are in the mapping, the others are
// not.
func (g *generation) countIgnored(ctx context.Context) error {
	if fmt.Sprint(g.found[ignoreBeyondLimit]) != "true" {
		return nil
	}
	var ignored struct {
		Aggregations struct {
			Names struct {
				Others  int64 `json:"sum_other_doc_count"`
				Buckets []struct {
					Key string `json:"key"`
				} `json:"buckets"`
			} `json:"names"`
		} `json:"aggregations"`
	}
	body := fmt.Sprintf(`{"size":0,"track_total_hits":false,"aggs":{"names":{"terms":{"field":"_ignored","size":%d}}}}`, ignoredAtMost)
	req := esapi.SearchRequest{Index: []string{g.name}, Body: strings.NewReader(body)}
	err := call(ctx, g.ix.transport, "counting the ignored fields of index "+g.name, req, &ignored)
	if err != nil && !isTemporary(err) { // Elasticsearch 8.14 cannot
		g.ix.cfg.Logger.WarnContext(ctx, "whether fields are ignored is not known", "index", g.name, "error", err)
		return ctx.Err()
	}
	if err != nil || len(ignored.Aggregations.Names.Buckets) == 0 {
		return err
	}
	var known struct {
		Fields map[string]struct{} `json:"fields"`
	}
	fields := esapi.FieldCapsRequest{Index: []string{g.name}, Fields: []string{"*"}, FilterPath: []string{"fields.*.*.type"}}
	if err := call(ctx, g.ix.transport, "listing the fields of index "+g.name, fields, &known); err != nil {
		return err
	}
	g.sealed.Ignored = 0
	for _, bucket := range ignored.Aggregations.Names.Buckets {
		if _, mapped := known.Fields[bucket.Key]; !mapped {
			g.sealed.Ignored++
		}
	}
	return nil
}
