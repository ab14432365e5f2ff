package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"productindex/httpapi/internal/jobquery"
	"productindex/reindex/reindextest"
)

func TestDocumentIsServed(t *testing.T) {
	s := serve(t, &fakeEngine{}, Config{Authorizer: func(*http.Request, string, string) error { return ErrInvalidToken }})
	got := s.send(http.MethodGet, "/indexing/openapi.json", "")
	if got.status != http.StatusOK || got.body != string(document) {
		t.Errorf("got status %d, %d bytes; want 200, %d bytes", got.status, len(got.body), len(document))
	}
}

// The document describes exactly the served routes, with their methods and scopes.
func TestDocumentDescribesTheRoutes(t *testing.T) {
	doc := loadDocument(t)
	described := 0
	for _, item := range doc.Paths.Map() {
		described += len(item.Operations())
	}
	for _, rt := range routes {
		for _, op := range rt.operations {
			described--
			item := doc.Paths.Value(rt.pattern)
			if item == nil || item.GetOperation(op.method) == nil {
				t.Errorf("the document does not describe %s %s", op.method, rt.pattern)
				continue
			}
			security := doc.Security
			if own := item.GetOperation(op.method).Security; own != nil {
				security = *own
			}
			if op.scope == "" && len(security) == 0 {
				continue
			}
			if len(security) != 1 || !reflect.DeepEqual(security[0]["OAuth2"], []string{op.scope}) {
				t.Errorf("%s %s: security %v, want scope %q", op.method, rt.pattern, security, op.scope)
			}
		}
	}
	if described != 0 {
		t.Errorf("%d operations are described, but not served, want none", described)
	}
}

// The served document describes the specified endpoint as the specification does, except for the token URL, which the
// host configures (see TestURLsOfTheDocument).
func TestDocumentAgreesWithTheSpecification(t *testing.T) {
	data, err := os.ReadFile(reindextest.Shared(t, "openapi/reindex.json", "PRODUCTINDEX_OPENAPI"))
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(document, &got); err != nil {
		t.Fatal(err)
	}
	flow, _ := at(want, []string{"components", "securitySchemes", "OAuth2", "flows", "clientCredentials"}).(map[string]any)
	delete(flow, "tokenUrl")
	for _, path := range [][]string{
		{"openapi"},
		{"info", "title"},
		{"info", "version"},
		{"security"},
		{"components", "securitySchemes"},
		{"components", "responses"},
		{"components", "schemas"},
		{"paths"},
	} {
		compareJSON(t, path, at(want, path), at(got, path))
	}
}

// The document's pattern for the parameter fields accepts exactly the fields of jobs.
func TestDocumentDescribesFields(t *testing.T) {
	pattern := regexp.MustCompile(loadDocument(t).Components.Parameters["fields"].Value.Schema.Value.Pattern)
	lists := map[string]bool{
		"":                   true,
		",":                  true,
		" id ,\t,status\r\n": true,
		"id,":                true,
		"ID":                 false,
		"id status":          false,
		"metadata.":          false,
		"id\u00a0":           false,
		"0":                  false,
	}
	for _, name := range jobquery.FieldNames() {
		lists[name] = true
		lists["id, "+name] = true
		lists[name+"x"] = false
	}
	for list, want := range lists {
		if _, err := jobquery.ParseFields(list); pattern.MatchString(list) != want || (err == nil) != want {
			t.Errorf("%q: got match %v, error %v; want %v", list, pattern.MatchString(list), err, want)
		}
	}
}

// The document states the limits of queries, and its examples are valid.
func TestDocumentTellsOfQueries(t *testing.T) {
	params := loadDocument(t).Components.Parameters
	q, order := params["q"].Value, params["sort"].Value
	for _, limit := range []string{
		fmt.Sprintf("at most %d characters", jobquery.MaxPattern),
		fmt.Sprintf("at most %d instructions", jobquery.MaxInstructions),
	} {
		if !strings.Contains(q.Description, limit) {
			t.Errorf("the description of q is %s, want %q in it", q.Description, limit)
		}
	}
	if longest := q.Schema.Value.MaxLength; longest == nil || *longest != jobquery.MaxConditions {
		t.Errorf("the maxLength of q is %v, want %d", longest, jobquery.MaxConditions)
	}
	if conditions, err := jobquery.ParseConditions(q.Example.(string)); err != nil || len(conditions) != 3 {
		t.Errorf("the example of q has the conditions %v, error %v; want 3", conditions, err)
	}
	if keys, err := jobquery.ParseSort(order.Example.(string)); err != nil || len(keys) != 2 {
		t.Errorf("the example of sort has the keys %v, error %v; want 2", keys, err)
	}
}

func at(v any, path []string) any {
	for _, name := range path {
		v = v.(map[string]any)[name]
	}
	return v
}

// compareJSON requires that got contains want. Objects of got may have more members, and descriptions may differ if the
// specification's is empty.
func compareJSON(t *testing.T, path []string, want, got any) {
	t.Helper()
	object, ok := want.(map[string]any)
	if !ok {
		ours := path[len(path)-1] == "description" && want == ""
		if !ours && !reflect.DeepEqual(want, got) {
			t.Errorf("%v is %v, want %v as in the specification", path, got, want)
		}
		return
	}
	gotObject, _ := got.(map[string]any)
	for name, value := range object {
		compareJSON(t, append(slices.Clip(path), name), value, gotObject[name])
	}
	// The statuses of an operation must be the same.
	if path[len(path)-1] == "responses" && len(path) > 2 && len(gotObject) != len(object) {
		t.Errorf("%v is %v, want %v as in the specification", path, gotObject, object)
	}
}
