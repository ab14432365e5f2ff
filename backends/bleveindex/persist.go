package bleveindex

import (
	index "github.com/blevesearch/bleve_index_api"
)

// unsafeBatch is bleve's option not to wait until a batch is on the disk; persist waits instead.
const unsafeBatch = "unsafe_batch"

// persist writes a batch to the index of that name and returns when the batch is on the disk.
//
// bleve could wait itself. But if it then fails to write a batch, it closes the segment of the batch while it continues
// to search and merge that segment, which panics on one of its own goroutines. With unsafeBatch, a batch that could not
// be written stays in memory, and bleve tries again.
func persist(inner index.Index, name string, ops *index.Batch) error {
	r := retriesOf(name)
	failed := r.watch()
	defer r.unwatch(failed)
	done := make(chan error, 1)
	ops.SetPersistedCallback(func(err error) { done <- err })
	if err := inner.Batch(ops); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case err := <-failed: // the error may be of an attempt before this batch
		select {
		case err = <-done:
		default:
		}
		return err
	case <-r.closing:
		return ErrClosed
	}
}

// watch returns a channel that receives the next error of the persister.
func (r *retries) watch() chan error {
	failed := make(chan error, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watching[failed] = struct{}{}
	return failed
}

func (r *retries) unwatch(failed chan error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.watching, failed)
}

// fail sends an error of the persister to all watchers.
func (r *retries) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for failed := range r.watching {
		select {
		case failed <- err:
		default: // it already has an error
		}
	}
}
