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

// patience is the number of answers with a status of 500 or above, from something in front of the server, after which
// the request's products may be the cause. Such answers are mostly temporary.
const patience = 4

// refusedOnTheWay reports whether something in front of the server, such as a firewall, has refused the request and
// would refuse it again.
func (w writer) refusedOnTheWay(sent []reindex.Product, err error) bool {
	key := fmt.Sprintf("%s %d %s", w.index, len(sent), sent[0].ID)
	answer, ok := errors.AsType[*ServerError](err)
	if ok && answer.Type == "" && answer.Status >= http.StatusInternalServerError {
		return w.ix.refusals.add(key) >= patience
	}
	w.ix.refusals.forget(key)
	return notByServer(err)
}

// notByServer reports whether something in front of the server, such as a firewall, has refused the request. Statuses
// that do not depend on the products do not count.
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

// blame finds out whether a request was refused because of its products, in which case a request without them succeeds.
// The error then matches [reindex.ErrRefused].
func (w writer) blame(ctx context.Context, what string, refusal error) error {
	if err := w.tryWrite(ctx); err != nil {
		return err
	}
	return reindex.Public(fmt.Errorf("esindex: %s: %w, by the server or by something in front of it such as "+
		"a firewall: %w", what,
		reindex.ErrRefused, refusal),
		"the product was refused by something in front of the index, such as a firewall"+status(refusal))
}

// refusals counts the consecutive refusals of each request by something in front of the server. It is safe for
// concurrent use.
type refusals struct {
	mu     sync.Mutex
	counts map[string]int
}

// maxRefusals is the number of requests that are counted. The counts of failed runs would otherwise accumulate.
const maxRefusals = 1000

// add counts a refusal of the request and returns the number of refusals so far.
func (r *refusals) add(request string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts == nil || len(r.counts) >= maxRefusals {
		r.counts = map[string]int{}
	}
	r.counts[request]++
	return r.counts[request]
}

// forget resets the count of the request.
func (r *refusals) forget(request string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.counts, request)
}
