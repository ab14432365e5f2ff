package esindex

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"sync"

	"productindex/reindex"
)

const (
	// maxTogether is the largest number of _bulk requests of one Update or Edit at the same time. The server's threads for
	// writes process them in parallel, even if the index has one shard.
	maxTogether = 4
	// minTogether is the smallest number of changes that are worth a further request.
	minTogether = 100
)

// writeTogether is write with several requests at the same time, for changes with different ids, whose order does not
// matter. It returns when all requests have ended. If one fails as a whole, the error does not report the products that
// the others refused: the caller sends all changes again.
func (w writer) writeTogether(ctx context.Context, sent []reindex.Product, unfit []reindex.ItemError) error {
	size := max(minTogether, (len(sent)+maxTogether-1)/maxTogether)
	if len(sent) < 2*minTogether {
		return w.write(ctx, sent, unfit)
	}
	var (
		requests sync.WaitGroup
		errs     [maxTogether]error
		n        int
	)
	for part := range slices.Chunk(sent, size) {
		err := &errs[n]
		*err = errGone
		n++
		requests.Go(func() { *err = rescue(func() error { return w.write(ctx, part, nil) }) })
	}
	requests.Wait()
	return together(unfit, errs[:n])
}

// together returns the error of changes that several requests have sent. If a request failed as a whole, it returns the
// error of the worst failure: one for good before a refusal, and a refusal before one that can be retried. Otherwise
// the error reports the products that were refused.
func together(unfit []reindex.ItemError, errs []error) error {
	all := &reindex.BatchError{Items: unfit}
	var worst error
	for _, err := range errs {
		if items, ok := errors.AsType[*reindex.BatchError](err); ok {
			all.Items = append(all.Items, items.Items...)
			all.RetryAfter = max(all.RetryAfter, items.RetryAfter)
		} else if severity(err) > severity(worst) {
			worst = err
		}
	}
	switch {
	case worst != nil:
		return worst
	case len(all.Items) > 0:
		return all
	}
	return nil
}

// severity orders the errors of requests by the caller's remedy: none is needed, wait, send less, give up.
func severity(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, reindex.ErrTooLarge), errors.Is(err, reindex.ErrRefused):
		return 2
	case isTemporary(err):
		return 1
	}
	return 3
}

// errGone means that a host's transport has called runtime.Goexit.
var errGone = errors.New("esindex: the transport has ended the goroutine of the call")

// rescue calls f and returns its error, or its panic as a [*reindex.PanicError]: a panic in a goroutine of this package
// would end the program.
func rescue(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &reindex.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}
