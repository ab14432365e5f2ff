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

// The server names one field of a product at a time, and a catalogue can have many fields that are objects in some
// products and values in others. So a generation that has met the first one is given up, but its run reads on: the
// products that still come are looked at here instead of being sent, and the next generation knows all of these fields
// from its start.

// maxSurveyed is how many different fields a survey keeps apart.
const maxSurveyed = 100_000

// shape is what the values of a field are: an object, or anything else, or both.
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

// begin makes the survey look at products from now on.
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

// see looks at products.
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

// seeFields looks at the fields of an object, whose path ends with a dot unless it is the product itself.
func (s *survey) seeFields(path string, fields map[string]any) {
	for name, value := range fields {
		s.seeValue(path+name, value)
	}
}

// seeValue looks at one value, or at each value of a list. A null does not count.
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

// note adds a shape to a field. The part of its name before a dot is an object.
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

// mapped is a part of the mappings of an index.
type mapped struct {
	Type       string            `json:"type"`
	Properties map[string]mapped `json:"properties"`
}

// seeMapped looks at the fields that an index has got already.
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

// fields returns those that are objects and values, in order, but not those inside of another one of them or of a
// known one.
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

// conclude ends a survey: it notes the fields for the tenant's next generation, and returns an error that matches
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
		g.ix.noteUnsearched(g.names.tenant, []string{field}) // a product with one for which there is no room is rejected next time
	}
	return again(g.name, g.ix.unsearchedFields(g.names.tenant, target{}))
}
