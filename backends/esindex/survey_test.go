package esindex

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// counted is an Index that counts its generations.
type counted struct {
	*Index

	begun int
}

func (c *counted) Begin(ctx context.Context, tenant string) (reindex.Generation, error) {
	c.begun++
	return c.Index.Begin(ctx, tenant)
}

// Many fields are objects in some products and values in others, all over the catalogue. A run on a server without
// "subobjects" indexes all products in its second generation. The next run needs only one.
func TestManyObjectsAndValues(t *testing.T) {
	const n = 1000
	products := make(reindextest.Slice, n)
	for i := range products {
		fields := map[string]any{"rev": "1", "plain": i}
		field := fmt.Sprintf("f%d", i%40)
		switch (i / 40) % 25 {
		case 24 - i%20:
			fields[field] = map[string]any{"w": i}
		default:
			fields[field] = i
		}
		fields["late"] = i
		if i == n-1 {
			fields["late.x"] = 1
		}
		products[i] = reindextest.NewProduct(fmt.Sprint(i), fields)
	}
	ix := open(t, nil)
	ix.abilities.noSubobjects = true // even if the server has them
	index := &counted{Index: ix}
	for _, generations := range []int{2, 1} {
		index.begun = 0
		engine, err := reindex.New(products, index, &reindex.Config{BatchDocs: 20})
		if err != nil {
			t.Fatal(err)
		}
		report, err := engine.Run(t.Context(), acme)
		if err != nil || report.Indexed != n || index.begun != generations {
			t.Fatalf("%d generations, indexed %d, rejected %v, error %v, want %d and %d",
				index.begun, report.Indexed, report.Rejections, err, generations, n)
		}
	}
	if found := matching(t, ix, `{"range":{"plain":{"gte":500}}}`); found != n/2 {
		t.Errorf("%d products are found by another field, want %d", found, n/2)
	}
}

// A generation that only surveys the fields cannot be sealed, since it lacks products.
func TestSurveyedGenerationIsNotSealed(t *testing.T) {
	ix := open(t, nil)
	ix.abilities.noSubobjects = true
	g := begin(t, ix)
	products := []reindex.Product{
		reindextest.NewProduct("1", map[string]any{"m": 1}),
		reindextest.NewProduct("2", map[string]any{"m": map[string]any{"w": 1}}),
	}
	for _, p := range products {
		if err := g.Write(t.Context(), []reindex.Product{p}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := g.Seal(t.Context()); !errors.Is(err, reindex.ErrAgain) {
		t.Errorf("seal: error %v, want %v", err, reindex.ErrAgain)
	}
	if _, err := g.Flush(t.Context()); !errors.Is(err, reindex.ErrAgain) {
		t.Errorf("flush: error %v, want %v", err, reindex.ErrAgain)
	}
	if learned := ix.unsearchedFields(acme, target{}); !slices.Equal(learned, []string{"m"}) {
		t.Errorf("learned %v, want m", learned)
	}
}

func TestSurvey(t *testing.T) {
	for _, test := range []struct {
		bodies, known, want []string
		mapping             string
	}{
		{bodies: []string{`{"a":1}`, `{"a":{"b":1}}`, `{"c":1}`}, want: []string{"a"}},
		{bodies: []string{`{"a":[1,{"b":1}]}`}, want: []string{"a"}},
		{bodies: []string{`{"a":null}`, `{"a":[]}`, `{"a":{}}`}},
		{bodies: []string{`{"a":{}}`, `{"a":"x"}`}, want: []string{"a"}},
		{bodies: []string{`{"a.b":1}`, `{"a":1}`}, want: []string{"a"}},
		{bodies: []string{`{"a":{"b":1}}`, `{"a":{"b.c":1}}`}, want: []string{"a.b"}},
		{bodies: []string{`{"a":{"b":1}}`, `{"a":{"b":{"c":2}}}`, `{"a":3}`}, want: []string{"a"}},
		{bodies: []string{`{"a":{"b":1}}`, `{"a":{"b":{"c":2}}}`}, known: []string{"a"}},
		{bodies: []string{`{"a":1}`, `{"ab":{"c":2}}`}},
		{
			bodies: []string{`{"a":1,"b":{"c":{"d":1}},"e":true}`}, want: []string{"a", "b.c"},
			mapping: `{"properties":{"a":{"properties":{"x":{"type":"text"}}},"b":{"properties":{"c":{"type":"double"}}},` +
				`"e":{"type":"text"}}}`,
		},
		{bodies: []string{`{"a":1}`}, want: nil, mapping: `{"properties":{"a":{"type":"object","enabled":false}}}`},
	} {
		t.Run(fmt.Sprint(test.bodies), func(t *testing.T) {
			var s survey
			s.begin()
			for _, body := range test.bodies {
				s.see([]reindex.Product{{ID: "1", Body: []byte(body)}})
			}
			s.begin() // keeps the fields
			var m mapped
			if test.mapping != "" {
				if err := json.Unmarshal([]byte(test.mapping), &m); err != nil {
					t.Fatal(err)
				}
			}
			s.seeMapped("", m)
			if got := s.fields(test.known); !slices.Equal(got, test.want) {
				t.Errorf("the fields are %v, want %v", got, test.want)
			}
		})
	}
}

// A survey keeps at most maxSurveyed fields.
func TestSurveyIsBounded(t *testing.T) {
	var s survey
	s.begin()
	for i := range maxSurveyed + 10 {
		s.note(fmt.Sprint(i), isValue)
	}
	s.note("0", isObject)
	if len(s.shapes) != maxSurveyed || !slices.Equal(s.fields(nil), []string{"0"}) {
		t.Errorf("%d fields are kept, of which %v are both, want %d and only 0", len(s.shapes), s.fields(nil), maxSurveyed)
	}
}
