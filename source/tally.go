package source

import (
	"sync"
	"sync/atomic"
)

// tally counts the products of a snapshot that have been read, and tracks the parts that have not.
type tally struct {
	products, matching atomic.Int64

	mu   sync.Mutex
	left map[string]bool // the parts that have not been read to their ends; nil if this process has not split the snapshot
}

// expect records the parts of the snapshot.
func (t *tally) expect(parts []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left = map[string]bool{}
	for _, name := range parts {
		t.left[name] = true
	}
}

// end records that a part has been read, and reports whether it was the last one. It reports false in a process that
// has not split the snapshot.
func (t *tally) end(part string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := t.left[part]
	delete(t.left, part)
	return known && len(t.left) == 0
}
