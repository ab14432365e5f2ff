package esindex

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"productindex/reindex"
)

// patience is how often a request is answered in the place of the server with a status of 500 and above, which mostly
// passes, before its products may be to blame.
const patience = 4

// refusedOnTheWay reports whether something between us and the server has refused the request, and may do so again: a
// firewall that does not like what a product says, for one.
func (w writer) refusedOnTheWay(sent []reindex.Product, err error) bool {
	key := fmt.Sprintf("%s %d %s", w.index, len(sent), sent[0].ID)
	answer, ok := errors.AsType[*ServerError](err)
	if ok && answer.Type == "" && answer.Status >= http.StatusInternalServerError {
		return w.ix.refusals.add(key) >= patience
	}
	w.ix.refusals.forget(key)
	return notByServer(err)
}

// notByServer reports whether something between us and the server has answered in its place, and refused the request: a
// firewall that does not like what a product says, for one.
func notByServer(err error) bool {
	if answer, ok := errors.AsType[*unreadable](err); ok {
		return !answer.cut
	}
	answer, ok := errors.AsType[*ServerError](err)
	if !ok || answer.Type != "" || answer.Status >= http.StatusInternalServerError {
		return false
	}
	return !slices.Contains([]int{
		http.StatusUnauthorized, http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge,
		http.StatusTooManyRequests,
	}, answer.Status)
}

// blame finds out whether a request was refused for its products: then a request without them passes.
func (w writer) blame(ctx context.Context, what string, refusal error) error {
	if err := w.tryWrite(ctx); err != nil {
		return err
	}
	return reindex.Public(fmt.Errorf("esindex: %s: %w, or by something in between such as a firewall: %w", what,
		reindex.ErrRefused, refusal),
		"the product was refused by something in front of the index, such as a firewall"+status(refusal))
}

// refusals counts how often each request was refused on its way, in a row. It is safe for concurrent use.
type refusals struct {
	mu     sync.Mutex
	counts map[string]int
}

// maxRefusals is of how many requests that is known. Those of runs that have failed are never asked for again.
const maxRefusals = 1000

// add counts one more refusal of the request and returns how many there were.
func (r *refusals) add(request string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts == nil || len(r.counts) >= maxRefusals {
		r.counts = map[string]int{}
	}
	r.counts[request]++
	return r.counts[request]
}

// forget begins the count of the request anew.
func (r *refusals) forget(request string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.counts, request)
}
