package reindextest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"runtime"
	"strings"
	"testing"

	"productindex/reindex"
)

func sameJSON(got, want json.RawMessage) bool {
	var a, b any
	for _, side := range []struct {
		body json.RawMessage
		to   *any
	}{{got, &a}, {want, &b}} {
		d := json.NewDecoder(bytes.NewReader(side.body))
		d.UseNumber()
		if d.Decode(side.to) != nil {
			return false
		}
	}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// assertYields reads the sequences and checks that together they yield every product once.
func assertYields(
	t *testing.T,
	seqs []iter.Seq2[reindex.Product, error],
	want []reindex.Product,
	same func(got, want json.RawMessage) bool,
) {
	t.Helper()
	var got []reindex.Product
	for _, seq := range seqs {
		here := goroutine()
		for p, err := range seq {
			if err != nil {
				t.Fatalf("the source failed: %v", err)
			}
			if goroutine() != here {
				t.Errorf("product %q was yielded by another goroutine than the one that reads the sequence", p.ID)
			}
			got = append(got, p)
		}
	}
	assertProducts(t, got, want, same)
}

// goroutine identifies the goroutine that calls it.
func goroutine() string {
	stack := make([]byte, 64)
	head, _, _ := strings.Cut(string(stack[:runtime.Stack(stack, false)]), " [")
	return head
}

// assertProducts checks that got holds every product of want once.
func assertProducts(t *testing.T, got, want []reindex.Product, same func(got, want json.RawMessage) bool) {
	t.Helper()
	missing := map[string]json.RawMessage{}
	for _, p := range want {
		missing[p.ID] = p.Body
	}
	for _, p := range got {
		body, ok := missing[p.ID]
		if !ok {
			t.Errorf("product %q is yielded twice, or does not exist", p.ID)
			continue
		}
		if !same(p.Body, body) {
			t.Errorf("product %q is %.200s, want %.200s", p.ID, p.Body, body)
		}
		delete(missing, p.ID)
	}
	for id := range missing {
		t.Errorf("product %q is not yielded", id)
	}
}

// drain reads a sequence to its end and returns the number of products and the error. Nothing may follow an error.
func drain(seq iter.Seq2[reindex.Product, error]) (n int, failed error) {
	for _, err := range seq {
		if failed != nil {
			return n, errors.New("the sequence continues after its error")
		}
		if err != nil {
			failed = err
			continue
		}
		n++
	}
	return n, failed
}

// assertEnds reads a sequence whose context has ended or ends meanwhile, and checks that it fails before its end.
func assertEnds(t *testing.T, seq iter.Seq2[reindex.Product, error], all int) {
	t.Helper()
	n, err := drain(seq)
	if !errors.Is(err, context.Canceled) || n >= max(all, 1) {
		t.Errorf("a read under a context that ended yielded %d of %d products, error %v; want fewer and context.Canceled",
			n, all, err)
	}
}

func cancelAfter(seq iter.Seq2[reindex.Product, error], n int, cancel func()) iter.Seq2[reindex.Product, error] {
	return func(yield func(reindex.Product, error) bool) {
		read := 0
		for p, err := range seq {
			if read++; read == n {
				cancel()
			}
			if !yield(p, err) {
				return
			}
		}
	}
}
