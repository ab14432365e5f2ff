package bleveindex

import (
	index "github.com/blevesearch/bleve_index_api"
)

// unsafeBatch keeps bleve from waiting until a batch is on the disk, which persist does in its place.
const unsafeBatch = "unsafe_batch"

// persist hands a batch to the index of that name and returns once the batch is on the disk.
//
// Bleve can wait for that itself. But if it fails to write a batch to the disk, it closes the segment that it has made
// of the batch, and goes on to search and to merge that segment: a panic on a goroutine of bleve's own. So persist
// waits: a batch that fails stays in memory, and bleve tries again to write it.
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
	case err := <-failed: // perhaps of a try before this batch was there
		select {
		case err = <-done:
		default:
		}
		return err
	case <-r.closing:
		return ErrClosed
	}
}

// watch returns a channel that gets the next error of writing batches to the disk.
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

// fail gives an error of writing batches to the disk to those who wait for that.
func (r *retries) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for failed := range r.watching {
		select {
		case failed <- err:
		default: // it has got one
		}
	}
}
