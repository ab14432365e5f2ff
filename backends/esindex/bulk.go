package esindex

import (
	"errors"
	"io"
	"sync"

	"productindex/reindex"
)

// bulk is the body of a _bulk request (NDJSON): a line for the action and a line for the product. A product without a
// body is a deletion, which consists of the action line alone. Reads copy directly from the products; only the action
// lines are built, in a pooled buffer.
//
// The client may still read a body after its call has returned. Once the body is released such reads fail, so that the
// products and the buffer can be reused.
type bulk struct {
	length int64

	mu       sync.Mutex
	products []reindex.Product
	actions  *actions
}

// actions holds the concatenated action lines of a body, and the end offset of each.
type actions struct {
	lines []byte
	ends  []int
}

var actionPool = sync.Pool{New: func() any { return new(actions) }}

var errReleased = errors.New("the request has ended")

const (
	indexHead  = `{"index":{"_id":"`
	deleteHead = `{"delete":{"_id":"`
	actionTail = "\"}}\n"
)

// newBulk returns the body for products, none of which may have a line feed in its body. The caller must release it.
func newBulk(products []reindex.Product) *bulk {
	a := actionPool.Get().(*actions) //nolint:forcetypeassert,errcheck // the pool holds nothing else
	a.lines, a.ends = a.lines[:0], a.ends[:0]
	b := &bulk{products: products, actions: a}
	for i := range products {
		head, body := indexHead, int64(len(products[i].Body))+1
		if deletes(products[i]) {
			head, body = deleteHead, 0
		}
		a.lines = append(a.lines, head...)
		a.lines = appendEscaped(a.lines, products[i].ID)
		a.lines = append(a.lines, actionTail...)
		a.ends = append(a.ends, len(a.lines))
		b.length += body
	}
	b.length += int64(len(a.lines))
	return b
}

// deletes reports whether the product represents a deletion.
func deletes(p reindex.Product) bool { return len(p.Body) == 0 }

// release makes further reads fail, and returns the buffer to the pool.
func (b *bulk) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.actions != nil {
		actionPool.Put(b.actions)
	}
	b.products, b.actions = nil, nil
}

// open returns a reader that begins at the start of the body.
func (b *bulk) open() (io.ReadCloser, error) { return &bulkReader{bulk: b}, nil }

// bulkReader reads a body once, from its start.
type bulkReader struct {
	bulk *bulk
	// the piece being read: 3i is the action line of product i, 3i+1 its body, 3i+2 the line feed; a deletion has only
	// the first
	next int
	done int // bytes of that piece that were read
}

var lineFeed = []byte{'\n'}

func (r *bulkReader) Read(p []byte) (n int, err error) {
	r.bulk.mu.Lock()
	defer r.bulk.mu.Unlock()
	if r.bulk.actions == nil {
		return 0, errReleased
	}
	for n < len(p) && r.next < 3*len(r.bulk.products) {
		piece := r.piece()
		copied := copy(p[n:], piece[r.done:])
		n += copied
		if r.done += copied; r.done == len(piece) {
			r.next, r.done = r.next+1, 0
		}
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (r *bulkReader) piece() []byte {
	i, part := r.next/3, r.next%3
	switch part {
	case 0:
		start := 0
		if i > 0 {
			start = r.bulk.actions.ends[i-1]
		}
		return r.bulk.actions.lines[start:r.bulk.actions.ends[i]]
	case 1:
		return r.bulk.products[i].Body
	default:
		if deletes(r.bulk.products[i]) {
			return nil
		}
		return lineFeed
	}
}

// Close does nothing: send releases the body.
func (r *bulkReader) Close() error { return nil }

const hexDigits = "0123456789abcdef"

// appendEscaped appends s as the content of a JSON string, without the quotation marks (RFC 8259, section 7).
func appendEscaped(dst []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
