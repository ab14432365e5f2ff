package bleveindex

import (
	"slices"
	"sync"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/document"
	index "github.com/blevesearch/bleve_index_api"
)

// analyzedDocument is a bleve document whose analysis allocates less than bleve's own, with the same terms, frequencies and positions.
// What bleve knows of a document's size in memory goes into statistics only: a rough figure saves walking all terms.
type analyzedDocument struct {
	*document.Document

	size int
	all  *allField // nil: the document has bleve's own composite fields
}

// analyzed takes over a document and its fields. Fields of other types than text and numbers are left as they are.
func analyzed(doc *document.Document, all *allField, numbers *numberTerms) *analyzedDocument {
	d := &analyzedDocument{Document: doc, all: all}
	times := make(map[string]int, len(doc.Fields))
	for _, field := range doc.Fields {
		times[field.Name()]++
		d.size += fieldBytes + len(field.Value())
	}
	for i, field := range doc.Fields {
		switch f := field.(type) {
		case *document.TextField:
			doc.Fields[i] = &textValue{TextField: f}
		case *document.NumericField:
			// bleve merges the values of a field into the terms of the first one, so these can not be shared.
			if times[f.Name()] == 1 && !f.Options().IncludeTermVectors() {
				doc.Fields[i] = &sharedNumber{NumericField: f, known: numbers}
			}
		}
	}
	return d
}

// fieldBytes is about what a field takes in memory besides its value.
const fieldBytes = 500

func (d *analyzedDocument) Size() int                 { return d.size }
func (d *analyzedDocument) NumPlainTextBytes() uint64 { return uint64(d.size) } //nolint:gosec // not negative

func (d *analyzedDocument) HasComposite() bool { return d.all != nil || d.Document.HasComposite() }

func (d *analyzedDocument) VisitComposite(visit index.CompositeFieldVisitor) {
	if d.all != nil {
		visit(d.all)
	}
	d.Document.VisitComposite(visit)
}

// textValue is a text field.
type textValue struct {
	*document.TextField

	length      int
	frequencies index.TokenFrequencies
}

func (t *textValue) AnalyzedLength() int                              { return t.length }
func (t *textValue) AnalyzedTokenFrequencies() index.TokenFrequencies { return t.frequencies }

// Analyze does what that of a document.TextField does.
func (t *textValue) Analyze() {
	value := t.Value()
	if t.Options().IsStored() {
		value = slices.Clone(value) // analyzers write to what they are given
	}
	tokens := analysis.TokenStream{{End: len(value), Term: value, Position: 1}}
	if analyzer := t.Analyzer(); analyzer != nil {
		tokens = analyzer.Analyze(value)
	}
	t.length = len(tokens)
	t.frequencies = countTokens(tokens, t.ArrayPositions(), t.Options())
}

// countTokens does what analysis.TokenFrequency does, with one allocation for all terms and two for all positions.
func countTokens(tokens analysis.TokenStream, array []uint64, options index.FieldIndexingOptions) index.TokenFrequencies {
	terms := make(index.TokenFrequencies, len(tokens))
	counts := make([]index.TokenFreq, len(tokens))
	var places []index.TokenLocation
	var lists []*index.TokenLocation
	if options.IncludeTermVectors() {
		places = make([]index.TokenLocation, len(tokens))
		lists = make([]*index.TokenLocation, len(tokens))
	}
	for i, token := range tokens {
		count, known := terms[string(token.Term)]
		if !known {
			count = &counts[i]
			count.Term = token.Term
			terms[string(token.Term)] = count
		}
		if !options.SkipFreqNorm() {
			count.SetFrequency(count.Frequency() + 1)
		}
		if places == nil {
			continue
		}
		places[i] = index.TokenLocation{ArrayPositions: array, Start: token.Start, End: token.End, Position: token.Position}
		if !known {
			count.Locations = lists[i : i : i+1]
		}
		count.Locations = append(count.Locations, &places[i])
	}
	return terms
}

// sharedNumber is a number whose terms, sixteen of them, are those of all equal ones.
type sharedNumber struct {
	*document.NumericField

	known *numberTerms
	terms analyzedNumber
}

type analyzedNumber struct {
	length      int
	frequencies index.TokenFrequencies
}

func (n *sharedNumber) Analyze()                                         { n.terms = n.known.of(n.NumericField) }
func (n *sharedNumber) AnalyzedLength() int                              { return n.terms.length }
func (n *sharedNumber) AnalyzedTokenFrequencies() index.TokenFrequencies { return n.terms.frequencies }

// numberTerms keeps the terms of the first numbers of a generation. It is safe for concurrent use.
type numberTerms struct {
	mu    sync.RWMutex
	terms map[string]analyzedNumber
}

// maxNumbers bounds what a numberTerms takes in memory: some 2 KB each.
const maxNumbers = 2000

func (t *numberTerms) of(field *document.NumericField) analyzedNumber {
	t.mu.RLock()
	terms, ok := t.terms[string(field.Value())]
	full := len(t.terms) == maxNumbers
	t.mu.RUnlock()
	if ok {
		return terms
	}
	field.Analyze()
	terms = analyzedNumber{field.AnalyzedLength(), field.AnalyzedTokenFrequencies()}
	if full {
		return terms
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.terms == nil {
		t.terms = make(map[string]analyzedNumber)
	}
	if len(t.terms) < maxNumbers {
		t.terms[string(field.Value())] = terms
	}
	return terms
}

// allField is the composite field _all of a [ProductMapping]. It notes what it is composed of, and merges that once.
type allField struct {
	*document.CompositeField // for all but its terms

	excluded []string
	length   int
	parts    []part
	terms    index.TokenFrequencies
}

// part is a field that goes into a composite one.
type part struct {
	field string
	terms index.TokenFrequencies
}

func newAllField(excluded []string) *allField {
	return &allField{CompositeField: document.NewCompositeFieldWithIndexingOptions(allName, true, nil, nil, phrases), excluded: excluded}
}

func (a *allField) AnalyzedLength() int { return a.length }

// Compose notes a field; the names in excluded are those of fields that are left out.
func (a *allField) Compose(field string, length int, terms index.TokenFrequencies) {
	if !slices.Contains(a.excluded, field) {
		a.length += length
		a.parts = append(a.parts, part{field, terms})
	}
}

// AnalyzedTokenFrequencies merges the parts as bleve's MergeAll does, with one allocation for all terms and one for all lists of positions.
func (a *allField) AnalyzedTokenFrequencies() index.TokenFrequencies {
	if a.terms != nil {
		return a.terms
	}
	most, positions := 0, 0
	for _, p := range a.parts {
		most += len(p.terms)
		for _, count := range p.terms {
			positions += len(count.Locations)
		}
	}
	a.terms = make(index.TokenFrequencies, most)
	counts, lists := make([]index.TokenFreq, 0, most), make([]*index.TokenLocation, 0, positions)
	for _, p := range a.parts {
		for term, count := range p.terms {
			for _, place := range count.Locations {
				place.Field = p.field
			}
			if known, ok := a.terms[term]; ok {
				known.SetFrequency(known.Frequency() + count.Frequency())
				known.Locations = append(known.Locations, count.Locations...)
				continue
			}
			n := len(lists)
			lists = append(lists, count.Locations...)
			counts = append(counts, index.TokenFreq{Term: count.Term, Locations: lists[n:len(lists):len(lists)]})
			merged := &counts[len(counts)-1]
			merged.SetFrequency(count.Frequency())
			a.terms[term] = merged
		}
	}
	a.parts = nil
	return a.terms
}
