package reindex

import (
	"encoding/json"
	"slices"
	"testing"
	"time"
)

func testPace() *pace {
	return newPace(sizes{docs: 1000, bytes: 6400, workers: 16, slow: 10 * time.Second})
}

// enterAll begins n writes.
func enterAll(t *testing.T, p *pace, n int) []ticket {
	t.Helper()
	var tickets []ticket
	for range n {
		ticket, err := p.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		tickets = append(tickets, ticket)
	}
	return tickets
}

// free returns the number of further writes that may begin.
func free(p *pace) int {
	n := 0
	for p.slots.TryAcquire(1) {
		n++
	}
	p.slots.Release(int64(n))
	return n
}

// If several of the writes in flight fail, the window is halved once. The others, which succeed, do not make it grow.
func TestPaceHalvesOnceAWindow(t *testing.T) {
	busy := Temporary(ErrRunning)
	retry := &BatchError{Items: []ItemError{{ID: "a"}, {ID: "b", Retryable: true}}}
	for _, err := range []error{busy, retry} {
		p := testPace()
		tickets := enterAll(t, p, 16)
		for _, ticket := range tickets[:8] {
			p.leave(ticket, 0, err)
		}
		if p.window != 8 || free(p) != 0 || p.bytes != 6400 {
			t.Errorf("%v: got a window of %d, %d free and %d bytes, want 8, 0 and 6400", err, p.window, free(p), p.bytes)
		}
		for _, ticket := range tickets[8:] {
			p.leave(ticket, 0, nil)
		}
		if p.window != 8 || free(p) != 8 {
			t.Errorf("%v: at the end, got a window of %d and %d free, want 8 and 8", err, p.window, free(p))
		}
	}
}

// When the window is halved, free slots are also removed. They come back one by one.
func TestPaceKeepsItsSlots(t *testing.T) {
	p := testPace()
	for want := 16; want > 1; want /= 2 {
		if free(p) != want {
			t.Fatalf("%d writes may begin, want %d", free(p), want)
		}
		p.leave(enterAll(t, p, 1)[0], 0, Temporary(ErrRunning))
	}
	for range 1000 {
		p.leave(enterAll(t, p, 1)[0], 0, nil)
		if free(p) != p.window {
			t.Fatalf("%d writes may begin in a window of %d", free(p), p.window)
		}
	}
	if p.window != 16 {
		t.Errorf("at the end, the window is %d, want 16", p.window)
	}
}

// Errors that are not about size or load change neither the window nor the size of batches.
func TestPaceIgnores(t *testing.T) {
	rejected := &BatchError{Items: []ItemError{{ID: "a"}}}
	for _, err := range []error{nil, rejected, ErrRefused, ErrTooLarge, ErrFenced} {
		p := testPace()
		for range 5 {
			if window, bytes := p.leave(enterAll(t, p, 1)[0], time.Second, err); window != 16 || bytes != 6400 {
				t.Errorf("%v: got a window of %d and %d bytes, want 16 and 6400", err, window, bytes)
			}
		}
	}
	p := testPace()
	p.leave(enterAll(t, p, 1)[0], 11*time.Second, ErrRefused)
	if p.bytes != 6400 {
		t.Errorf("after a slow refusal, batches have %d bytes, want 6400", p.bytes)
	}
}

// Writes that take between half of the limit and the limit are neither slow nor quick. They change neither the window
// nor the size of batches.
func TestPaceHolds(t *testing.T) {
	p := testPace()
	p.leave(enterAll(t, p, 1)[0], 11*time.Second, nil)
	p.leave(enterAll(t, p, 1)[0], 0, Temporary(ErrRunning))
	for range 500 {
		if window, bytes := p.leave(enterAll(t, p, 1)[0], 6*time.Second, nil); window != 8 || bytes != 3200 {
			t.Fatalf("got a window of %d and %d bytes, want 8 and 3200", window, bytes)
		}
	}
}

// Batches double only after an outage. A size that was slow or too large is approached in steps.
func TestPaceApproachesInSteps(t *testing.T) {
	for name, shrink := range map[string]func(p *pace){
		"slow":      func(p *pace) { p.leave(enterAll(t, p, 1)[0], 11*time.Second, nil) },
		"too large": func(p *pace) { p.tooLarge(p.bytes) },
	} {
		p := testPace()
		p.leave(enterAll(t, p, 1)[0], 0, Temporary(ErrRunning)) // the outage
		shrink(p)
		shrink(p)
		for range p.window {
			p.leave(enterAll(t, p, 1)[0], 0, nil)
		}
		if p.bytes != 1700 {
			t.Errorf("%s: %d bytes after a round, want 1600 and a step", name, p.bytes)
		}
	}
}

// Successes before the window was halved do not count afterwards.
func TestPaceCountsFromTheHalving(t *testing.T) {
	quick := func(p *pace, n int) {
		for range n {
			p.leave(enterAll(t, p, 1)[0], 0, nil)
		}
	}
	p := testPace()
	quick(p, 15)
	p.leave(enterAll(t, p, 1)[0], 0, Temporary(ErrRunning))
	if quick(p, 7); p.window != 8 {
		t.Errorf("the window is %d after 7 writes, want 8", p.window)
	}
	if quick(p, 1); p.window != 9 {
		t.Errorf("the window is %d after 8 writes, want 9", p.window)
	}
	p = newPace(sizes{bytes: 6400, workers: 2})
	quick(p, 100)
	p.leave(enterAll(t, p, 1)[0], 0, Temporary(ErrRunning))
	if quick(p, 15); p.window != 1 {
		t.Error("the window that was too large was tried again after 15 rounds, want after 16")
	}
	if quick(p, 1); p.window != 2 {
		t.Error("the window that was too large was not tried again after 16 rounds")
	}
}

// If a window that was too large is no longer too large, the window grows as quickly as before.
func TestPaceGrowsBeyondAnOldLimit(t *testing.T) {
	p := testPace()
	for range 3 {
		p.leave(enterAll(t, p, 1)[0], 0, nil)
		p.leave(enterAll(t, p, 1)[0], 0, Temporary(ErrRunning))
	}
	var windows []int // after each round
	for range 21 {
		for range p.window {
			p.leave(enterAll(t, p, 1)[0], 0, nil)
		}
		windows = append(windows, p.window)
	}
	if want := []int{3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 5, 6, 7, 8}; !slices.Equal(windows, want) {
		t.Errorf("windows %v, want %v", windows, want)
	}
}

// A batch that is slightly too large is cut into two of about the same size.
func TestFitCutsEvenly(t *testing.T) {
	products := make([]Product, 11)
	for i := range products {
		products[i].Body = make(json.RawMessage, 100)
	}
	for size, want := range map[int]int{99: 1, 100: 1, 400: 4, 500: 4, 600: 6, 1000: 6, 1099: 6, 1100: 11} {
		if n := fit(products, size); n != want {
			t.Errorf("%d products within %d bytes, want %d", n, size, want)
		}
	}
}

// FuzzFit checks that cutting into batches loses no product, that each batch of several products has at most the given
// size, and that there are not many more batches than needed.
func FuzzFit(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4}, uint16(3))
	f.Add([]byte{100, 100, 100, 1}, uint16(200))
	f.Add([]byte{255, 1, 1, 0, 0, 0, 255}, uint16(10))
	f.Fuzz(func(t *testing.T, lengths []byte, size uint16) {
		if size == 0 {
			return
		}
		var products []Product
		for _, n := range lengths {
			products = append(products, Product{Body: make(json.RawMessage, n)})
		}
		needed := (productBytes(products) + int(size) - 1) / int(size)
		cuts := 0
		for rest := products; len(rest) > 0; cuts++ {
			n := fit(rest, int(size))
			if n < 1 || n > len(rest) {
				t.Fatalf("fit returns %d for %d products, want at least 1 and at most all", n, len(rest))
			}
			if bytes := productBytes(rest[:n]); n > 1 && bytes > int(size) {
				t.Fatalf("%d products have %d bytes, want at most %d", n, bytes, size)
			}
			rest = rest[n:]
		}
		if cuts > 2*needed+1 {
			t.Errorf("got %d batches, want at most %d", cuts, 2*needed+1)
		}
	})
}
