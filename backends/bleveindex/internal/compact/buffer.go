package compact

import (
	"math/bits"
	"sync"

	index "github.com/blevesearch/bleve_index_api"
)

// Buffer holds the terms of one document after the other, in memory that it uses again and again. It is not safe
// for concurrent use.
type Buffer struct {
	doc  *compactDocument
	maps [bits.UintSize]reusedMaps  // by the length in bits of the number of terms that they have room for
	last map[string]**analyzedField // used by mergeNames

	// Of all terms of the document. The terms that are handed out point into them: if one has no room any more, another
	// one takes its place.
	frequencies []index.TokenFreq
	places      []index.TokenLocation
	lists       []*index.TokenLocation

	// Of the field whose terms are made now.
	terms  index.TokenFrequencies // their frequencies are indexes of counts
	counts []termCount
	first  int   // of places
	termOf []int // for each place, the index of its term in counts
}

// termCount is how often a term stands in a field, and in how many places that are known.
type termCount struct{ frequency, places int }

// reusedMaps are maps, of which some are in use.
type reusedMaps struct {
	all  []index.TokenFrequencies
	used int
}

// hold makes the terms of a document, unless they are those that it holds.
func (b *Buffer) hold(d *compactDocument) {
	if b.doc == d {
		return
	}
	b.clear()
	b.doc = d
	for _, c := range d.composites {
		b.begin(c.mostTerms())
		for _, field := range c.parts {
			b.add(field, field.Name())
		}
		b.addAll(c.next)
		c.terms = b.end()
	}
	for _, f := range d.fields {
		if !f.merged && f.shared == nil {
			b.begin(f.mostTerms())
			b.addAll(f)
			f.terms = b.end()
		}
	}
}

// mostTerms is how many terms the field can have.
func (c *composedField) mostTerms() int {
	n := c.next.mostTerms()
	for _, field := range c.parts {
		if f, ok := field.(*analyzedField); ok {
			n += len(f.tokens)
		} else {
			n += len(field.AnalyzedTokenFrequencies())
		}
	}
	return n
}

// mostTerms is how many terms the field and those after it can have.
func (f *analyzedField) mostTerms() (n int) {
	for ; f != nil; f = f.next {
		n += len(f.tokens)
	}
	return n
}

// clear forgets the document.
func (b *Buffer) clear() {
	b.doc = nil
	b.frequencies, b.places, b.lists = b.frequencies[:0], b.places[:0], b.lists[:0]
	for i := range b.maps {
		m := &b.maps[i]
		for _, terms := range m.all[:m.used] {
			clear(terms)
		}
		m.used = 0
	}
}

// mergeNames makes the tokens of fields those of the first field of the same name, as bleve does.
func (b *Buffer) mergeNames(d *compactDocument) {
	if b.last == nil {
		b.last = map[string]**analyzedField{}
	}
	defer clear(b.last)
	for _, c := range d.composites {
		b.last[c.Name()] = &c.next
	}
	for _, f := range d.fields {
		if next := b.last[f.Name()]; next != nil {
			*next, f.merged = f, true
		}
		b.last[f.Name()] = &f.next
	}
}

// begin begins a field of at most so many terms.
func (b *Buffer) begin(most int) {
	m := &b.maps[bits.Len(uint(most))]
	if m.used == len(m.all) {
		m.all = append(m.all, make(index.TokenFrequencies, most))
	}
	b.terms = m.all[m.used]
	m.used++
	if cap(b.frequencies)-len(b.frequencies) < most {
		b.frequencies = make([]index.TokenFreq, 0, 2*cap(b.frequencies)+most)
	}
	b.counts, b.termOf, b.first = b.counts[:0], b.termOf[:0], len(b.places)
}

// end returns the terms of the field.
func (b *Buffer) end() index.TokenFrequencies {
	frequencies := b.frequencies[len(b.frequencies)-len(b.counts):]
	if cap(b.lists)-len(b.lists) < len(b.termOf) {
		b.lists = make([]*index.TokenLocation, 0, 2*cap(b.lists)+len(b.termOf))
	}
	for i, count := range b.counts {
		frequencies[i].SetFrequency(count.frequency)
		start := len(b.lists)
		b.lists = b.lists[:start+count.places]
		frequencies[i].Locations = b.lists[start:start:len(b.lists)]
	}
	for i, term := range b.termOf {
		of := &frequencies[term]
		of.Locations = append(of.Locations, &b.places[b.first+i])
	}
	return b.terms
}

// add adds the terms of a field, whose places name it.
func (b *Buffer) add(field index.Field, name string) {
	if f, ok := field.(*analyzedField); ok {
		b.addTokens(f, name)
		return
	}
	for term, found := range field.AnalyzedTokenFrequencies() {
		n := b.count(term, found.Frequency())
		for _, place := range found.Locations {
			b.addPlace(n, *place, name)
		}
	}
}

// addAll adds the terms of a field and those after it, whose places need no name.
func (b *Buffer) addAll(f *analyzedField) {
	for ; f != nil; f = f.next {
		b.addTokens(f, "")
	}
}

func (b *Buffer) addTokens(f *analyzedField, name string) {
	options, array := f.Options(), f.ArrayPositions()
	frequency := 1
	if options.SkipFreqNorm() {
		frequency = 0
	}
	for i := range f.tokens {
		t := &f.tokens[i]
		n := b.count(t.term, frequency)
		if options.IncludeTermVectors() {
			b.addPlace(
				n,
				index.TokenLocation{ArrayPositions: array, Start: int(t.start), End: int(t.end), Position: int(t.position)},
				name,
			)
		}
	}
}

// count counts a term, and returns its index.
func (b *Buffer) count(term string, frequency int) int {
	if known, ok := b.terms[term]; ok {
		n := known.Frequency()
		b.counts[n].frequency += frequency
		return n
	}
	n := len(b.counts)
	b.counts = append(b.counts, termCount{frequency: frequency})
	b.frequencies = append(b.frequencies, index.TokenFreq{})
	added := &b.frequencies[len(b.frequencies)-1]
	added.SetFrequency(n)
	b.terms[term] = added
	return n
}

func (b *Buffer) addPlace(term int, place index.TokenLocation, name string) {
	place.Field = name
	b.places = append(b.places, place)
	b.termOf = append(b.termOf, term)
	b.counts[term].places++
}

// buffers are those that no batch uses.
var buffers sync.Pool

// Take returns a Buffer, for the caller to give back.
func Take() *Buffer {
	if b, ok := buffers.Get().(*Buffer); ok {
		return b
	}
	return new(Buffer)
}

// GiveBack ends the use of the buffer. No document of it is read any more.
func (b *Buffer) GiveBack() {
	b.clear()
	buffers.Put(b)
}
