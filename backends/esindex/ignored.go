package esindex

import (
	"context"
	"fmt"
	"strings"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// ignoredAtMost is the largest number of names of ignored fields that are examined.
const ignoredAtMost = 10_000

// countIgnored counts the fields that the index ignores because it has reached its limit of fields. In each product the
// server lists the fields whose values it has ignored, including values of the wrong type. Fields with such values are
// in the mapping and those beyond the limit are not, so countIgnored counts only fields that are not in the mapping.
func (g *generation) countIgnored(ctx context.Context) error {
	if fmt.Sprint(g.found[ignoreBeyondLimit]) != "true" {
		return nil
	}
	var ignored struct {
		Hits struct {
			Total struct {
				Value int64 `json:"value"`
			} `json:"total"`
		} `json:"hits"`
		Aggregations struct {
			Names struct {
				Buckets []struct {
					Key string `json:"key"`
				} `json:"buckets"`
			} `json:"names"`
		} `json:"aggregations"`
	}
	body := fmt.Sprintf(`{"size":0,"track_total_hits":1,"query":{"exists":{"field":"_ignored"}},`+
		`"aggs":{"names":{"terms":{"field":"_ignored","size":%d}}}}`, ignoredAtMost)
	req := esapi.SearchRequest{Index: []string{g.name}, Body: strings.NewReader(body)}
	err := call(ctx, g.ix.transport, "counting the ignored fields of index "+g.name, req, &ignored)
	names := ignored.Aggregations.Names
	switch {
	case err != nil && !isTemporary(err): // Elasticsearch 8.14
		g.sealed.Ignored = -1
		g.ix.cfg.Logger.WarnContext(ctx, "cannot count the ignored fields", "index", g.name, "error", err)
		return ctx.Err()
	case err != nil:
		return err
	case ignored.Hits.Total.Value == 0:
		g.sealed.Ignored = 0
		return nil
	case len(names.Buckets) == 0: // Elasticsearch 8.13
		g.sealed.Ignored = -1
		g.ix.cfg.Logger.WarnContext(ctx, "some products have ignored fields, but the server does not list them", "index",
			g.name)
		return nil
	}
	var known struct {
		Fields map[string]struct{} `json:"fields"`
	}
	fields := esapi.FieldCapsRequest{
		Index: []string{g.name}, Fields: []string{"*"}, FilterPath: []string{"fields.*.*.type"},
	}
	if err := call(ctx, g.ix.transport, "listing the fields of index "+g.name, fields, &known); err != nil {
		return err
	}
	g.sealed.Ignored = 0
	for _, bucket := range names.Buckets {
		if _, mapped := known.Fields[bucket.Key]; !mapped {
			g.sealed.Ignored++
		}
	}
	return nil
}
