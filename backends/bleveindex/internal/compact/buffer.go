package compact

import (
	"math/bits"
	"sync"

	index "github.com/blevesearch/bleve_index_api"
)

// Buffer builds the documents of a batch, and holds the terms of one of them at a time. It reuses its memory. It is not
// safe for concurrent use.
type Buffer struct {
	// For all documents.
	fields    arena[field]
	parts     arena[part]
	tokens    arena[token]
	positions arena[uint64]
	forms     arena[Form]
	bytes     arena[byte]

	// For the document that is being built.
	names    map[string]*field
	lastText value
	analyzed []byte

	values values

	// For the document whose terms the buffer holds. Returned terms point into these slices, so a new slice replaces a
	// full one without a copy.
	doc         *Doc
	maps        [bits.UintSize]reusedMaps // by the bit length of their capacity
	frequencies []index.TokenFreq
	places      []index.TokenLocation
	lists       []*index.TokenLocation

	// For the field whose terms are being built.
	terms  index.TokenFrequencies // their frequencies are indexes in counts
	counts []termCount
	first  int   // the first index in places
	termOf []int // by place, the index of its term in counts
}

// termCount counts the occurrences of a term in a field, and those with a known place.
type termCount struct{ frequency, places int }

// reusedMaps holds maps of similar capacity, some of which are in use.
type reusedMaps struct {
	all  []index.TokenFrequencies
	used int
}

// New returns an empty document.
func (b *Buffer) New(id string) *Doc {
	if b.names == nil {
		b.names = map[string]*field{}
	}
	clear(b.names)
	return &Doc{id: id, buffer: b}
}

// hold builds the terms of a document if the buffer does not hold them already.
func (b *Buffer) hold(d *Doc) {
	if b.doc == d {
		return
	}
	b.clear()
	b.doc = d
	for _, c := range d.composites {
		b.begin(c.mostTerms())
		for _, p := range c.parts {
			b.compose(p)
		}
		if c.own != nil {
			b.addParts(c.own)
		}
		c.terms = b.end()
	}
	for f := d.first; f != nil; f = f.following {
		if !f.composed && f.shared() == nil {
			b.begin(f.length)
			b.addParts(f)
			f.terms = b.end()
		}
	}
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

// begin begins a field with at most the given number of terms. The method end completes it.
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

// end returns the terms of the field that begin has begun.
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

// compose adds the terms of a field to a composite field. The places of these terms have the name of the added field.
func (b *Buffer) compose(p composedPart) {
	name := p.field.Name()
	if p.own != nil {
		b.add(p.own, name)
		return
	}
	for term, found := range p.field.AnalyzedTokenFrequencies() {
		n := b.count(term, found.Frequency())
		for _, place := range found.Locations {
			b.addPlace(n, *place, name)
		}
	}
}

// addParts adds the terms of a field. The places of these terms have no name.
func (b *Buffer) addParts(f *field) {
	for p := f.first; p != nil; p = p.next {
		b.add(p, "")
	}
}

// add adds the terms of a value. The places of these terms have the given name.
func (b *Buffer) add(p *part, name string) {
	frequency := 1
	if p.options.SkipFreqNorm() {
		frequency = 0
	}
	for i := range p.tokens {
		t := &p.tokens[i]
		n := b.count(t.term, frequency)
		if !p.options.IncludeTermVectors() {
			continue
		}
		b.addPlace(n, index.TokenLocation{
			ArrayPositions: p.positions, Start: int(t.start), End: int(t.end), Position: int(t.position),
		}, name)
	}
}

// count counts a term, and returns its index in b.counts.
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

// buffers is the pool of unused buffers.
var buffers sync.Pool

// Take returns a Buffer from a pool. The caller must call GiveBack.
func Take() *Buffer {
	if b, ok := buffers.Get().(*Buffer); ok {
		return b
	}
	return new(Buffer)
}

// GiveBack returns the buffer to the pool. Its documents must not be used afterwards.
func (b *Buffer) GiveBack() {
	b.clear()
	clear(b.names)
	b.lastText = value{}
	b.fields.clear()
	b.parts.clear()
	b.tokens.clear()
	b.positions.clear()
	b.forms.clear()
	b.bytes.clear()
	buffers.Put(b)
}
