package compact

import (
	"fmt"
	"testing"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/document"
	index "github.com/blevesearch/bleve_index_api"
)

// A buffer that has held some documents does not allocate memory for similar ones.
func TestBufferIsReused(t *testing.T) {
	buffer := new(Buffer)
	var docs []*Doc
	for _, body := range []map[string]any{
		{"name": "red wine", "sizes": []any{1.0, 2.0}, "tags": []any{"a", "b"}},
		{"description": "a dry red, red wine", "price": 7.0},
	} {
		doc := document.NewDocument("id")
		if err := bleve.NewIndexMapping().MapDocument(doc, body); err != nil {
			t.Fatal(err)
		}
		ours, ok := buffer.Convert(doc).(*Doc)
		if !ok {
			t.Fatalf("the document is converted to %T, want *Doc", buffer.Convert(doc))
		}
		docs = append(docs, ours)
	}
	allocations := testing.AllocsPerRun(100, func() {
		for _, doc := range docs {
			buffer.hold(doc)
		}
	})
	if allocations > 0 {
		t.Errorf("holding the documents again takes %v allocations, want 0", allocations)
	}
	if buffer.hold(docs[0]); len(buffer.frequencies) == 0 {
		t.Error("the buffer holds no terms of the document")
	}
}

// A value has the terms that bleve gives it, even if it comes from the cache and was in a field with other options
// before.
func TestValuesAreKept(t *testing.T) {
	buffer, kept := new(Buffer), 0
	for range 2 {
		for n := range 3 * maxValues / 2 {
			for _, options := range []index.FieldIndexingOptions{0, index.SkipFreqNorm, index.IncludeTermVectors} {
				field := document.NewNumericFieldWithIndexingOptions("n", nil, float64(n), index.IndexField|options)
				field.Analyze()
				doc := buffer.New("id")
				doc.Add(field)
				doc.VisitFields(func(f index.Field) {
					if got, want := describe(f), describe(field); got != want {
						t.Fatalf("got  %s\nwant %s", got, want)
					}
				})
				if doc.first.shared() != nil {
					kept++
				}
			}
		}
		buffer.GiveBack()
	}
	if kept == 0 {
		t.Error("no field shares the terms of a cached value")
	}
}

// failing is a tokenizer that panics in the first call.
type failing struct{ called bool }

func (f *failing) Tokenize(text []byte) analysis.TokenStream {
	if !f.called {
		f.called = true
		panic("failed")
	}
	return analysis.TokenStream{{Term: text, End: len(text), Position: 1}}
}

// A text on which the analyzer has panicked is analyzed again when another product has it.
func TestAnalyzerPanics(t *testing.T) {
	buffer, words := new(Buffer), &analysis.DefaultAnalyzer{Tokenizer: new(failing)}
	add := func() *Doc {
		doc := buffer.New("id")
		doc.Text("name", nil, "wine", index.IndexField, words)
		return doc
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("adding the text does not panic, although the analyzer does")
			}
		}()
		add()
	}()
	if terms := add().first.AnalyzedTokenFrequencies(); terms["wine"] == nil {
		t.Errorf("the terms are %v, want wine", terms)
	}
}

func describe(f index.Field) string {
	found := map[string]string{}
	for term, frequency := range f.AnalyzedTokenFrequencies() {
		places := ""
		for _, place := range frequency.Locations {
			places += fmt.Sprint(*place)
		}
		found[term] = fmt.Sprint(frequency.Frequency(), places)
	}
	return fmt.Sprint(f.Name(), f.AnalyzedLength(), found)
}

// An arena returns zero values, even in reused memory. The returned slices cannot grow into each other.
func TestArena(t *testing.T) {
	var a arena[int]
	blocks := 0
	for round := range 3 {
		for _, n := range []int{0, 1, 30, 3, 1000, 1, 129} {
			taken := a.take(n)
			if len(taken) != n || cap(taken) != n {
				t.Fatalf("taken: %d values of capacity %d, want both to be %d", len(taken), cap(taken), n)
			}
			for i := range taken {
				if taken[i] != 0 {
					t.Fatalf("round %d: value %d of %d is not zero", round, i, n)
				}
				taken[i] = 1
			}
		}
		a.clear()
		if round == 0 {
			blocks = len(a.blocks)
		}
	}
	if len(a.blocks) != blocks {
		t.Errorf("three rounds need %d blocks, want the %d of the first round", len(a.blocks), blocks)
	}
}
