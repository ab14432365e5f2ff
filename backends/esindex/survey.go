package esindex

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"productindex/reindex"
)

// A catalogue can have many fields that are objects in some products and values in others, but the server names only
// one such field of a product at a time. So a generation that meets such a field will be given up, but its run still
// reads the source to the end. The survey examines the remaining products instead of sending them, so that the next
// generation has all of these fields in its mappings from the start.

// maxSurveyed is the largest number of different fields that a survey records.
const maxSurveyed = 100_000

// shape is the kind of the values of a field: objects, other values, or both.
type shape uint8

const (
	isValue shape = 1 << iota
	isObject
	isBoth = isValue | isObject
)

// survey finds the fields that are objects in some products and values in others. It is safe for concurrent use.
type survey struct {
	mu     sync.Mutex
	begun  bool
	shapes map[string]shape
}

// begin starts the survey. Further calls do nothing.
func (s *survey) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.begun {
		s.begun, s.shapes = true, map[string]shape{}
	}
}

func (s *survey) hasBegun() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begun
}

func (s *survey) see(products []reindex.Product) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range products {
		var body map[string]any
		if json.Unmarshal(p.Body, &body) == nil { // the engine has checked it
			s.seeFields("", body)
		}
	}
}

// seeFields records the fields of an object. The path of the object is empty for the product itself, and otherwise ends
// with a dot.
func (s *survey) seeFields(path string, fields map[string]any) {
	for name, value := range fields {
		s.seeValue(path+name, value)
	}
}

// seeValue records a value, or each value of a list, but no null.
func (s *survey) seeValue(field string, value any) {
	switch v := value.(type) {
	case nil:
	case []any:
		for _, element := range v {
			s.seeValue(field, element)
		}
	case map[string]any:
		s.note(field, isObject)
		s.seeFields(field+".", v)
	default:
		s.note(field, isValue)
	}
}

// note adds a shape to a field. If the name has a dot, the part before it is an object.
func (s *survey) note(field string, what shape) {
	known, ok := s.shapes[field]
	if known&what == what || !ok && len(s.shapes) >= maxSurveyed {
		return
	}
	s.shapes[field] = known | what
	if dot := strings.LastIndexByte(field, '.'); dot > 0 {
		s.note(field[:dot], isObject)
	}
}

// mapped is a field in the mappings of an index, or the mappings themselves.
type mapped struct {
	Type       string            `json:"type"`
	Properties map[string]mapped `json:"properties"`
}

// seeMapped records the fields that an index already has.
func (s *survey) seeMapped(path string, m mapped) {
	for name, field := range m.Properties {
		switch {
		case field.Type != "" && field.Type != "object" && field.Type != "nested":
			s.note(path+name, isValue)
		case field.Type == "" || field.Properties != nil:
			s.note(path+name, isObject)
			s.seeMapped(path+name+".", field)
		}
	}
}

// fields returns the sorted names of the fields that are both objects and values. It leaves out the known fields and
// all fields inside of another returned or known field.
func (s *survey) fields(known []string) []string {
	var found []string
	for _, field := range slices.Sorted(maps.Keys(s.shapes)) {
		inside := func(other string) bool { return field == other || strings.HasPrefix(field, other+".") }
		if s.shapes[field] == isBoth && !slices.ContainsFunc(known, inside) && !slices.ContainsFunc(found, inside) {
			found = append(found, field)
		}
	}
	return found
}

// conclude ends a survey. It records the fields for the tenant's next generation, and returns an error that matches
// [reindex.ErrAgain].
func (g *generation) conclude(ctx context.Context) error {
	var indexes map[string]struct {
		Mappings mapped `json:"mappings"`
	}
	req := esapi.IndicesGetMappingRequest{Index: []string{g.name}}
	if err := call(ctx, g.ix.transport, "reading the mappings of index "+g.name, req, &indexes); err != nil {
		return err
	}
	g.survey.mu.Lock()
	defer g.survey.mu.Unlock()
	g.survey.seeMapped("", indexes[g.name].Mappings)
	for _, field := range g.survey.fields(g.unsearched) {
		// Beyond maxUnsearched a field is not recorded, and the next generation rejects the products that have it.
		g.ix.noteUnsearched(g.names.tenant, []string{field})
	}
	return again(g.name, g.ix.unsearchedFields(g.names.tenant, target{}))
}
