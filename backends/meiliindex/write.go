package meiliindex

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/semaphore"

	"productindex/reindex"
)

// writer writes products to one index, and keeps track of its unfinished tasks. It is safe for concurrent use.
type writer struct {
	ix   *Index
	docs *uploader

	// a call that posts documents holds 1; isolateAll holds all, so that nothing else is posted
	posts    *semaphore.Weighted
	slots    chan struct{} // one element per task in sent
	settling chan struct{} // a lock; its holder waits for the oldest task

	mu   sync.Mutex
	sent []*sending // ordered by task uid
}

func newWriter(ix *Index, docs *uploader) *writer {
	return &writer{
		ix: ix, docs: docs, posts: semaphore.NewWeighted(int64(ix.cfg.MaxTasks)),
		slots: make(chan struct{}, ix.cfg.MaxTasks), settling: make(chan struct{}, 1),
	}
}

// write sends the products as one task, once fewer than Config.MaxTasks tasks are unfinished.
func (w *writer) write(ctx context.Context, products []reindex.Product) error {
	if err := w.takeSlot(ctx); err != nil { // before encode copies the bodies
		return err
	}
	documents, body, failed := w.ix.encode(products)
	if sent, err := w.send(ctx, documents, body); !sent {
		<-w.slots
		if err != nil {
			return err
		}
	}
	if len(failed) > 0 {
		return &reindex.BatchError{Items: failed}
	}
	return nil
}

// send sends the documents as one task, which then holds the caller's slot. Without documents it sends nothing.
func (w *writer) send(ctx context.Context, documents []document, body []byte) (sent bool, err error) {
	if len(documents) == 0 {
		return false, nil
	}
	if err := w.posts.Acquire(ctx, 1); err != nil {
		return false, err
	}
	defer w.posts.Release(1)
	s, err := w.docs.send(ctx, documents, body)
	if err != nil {
		return false, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	byTask := func(s *sending, uid int64) int { return cmp.Compare(s.task.TaskUID, uid) }
	at, _ := slices.BinarySearchFunc(w.sent, s.task.TaskUID, byTask)
	w.sent = slices.Insert(w.sent, at, s)
	return true, nil
}

// takeSlot waits until fewer than Config.MaxTasks tasks are unfinished. One of the waiting callers settles the oldest
// task.
func (w *writer) takeSlot(ctx context.Context) error {
	for {
		select {
		case w.slots <- struct{}{}:
			return nil
		default:
		}
		select {
		case w.slots <- struct{}{}:
			return nil
		case w.settling <- struct{}{}:
			err := w.settleOldest(ctx)
			<-w.settling
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// settleAll waits for all tasks of the writer, and isolates the bad documents of those that failed.
func (w *writer) settleAll(ctx context.Context) error {
	select {
	case w.settling <- struct{}{}:
		defer func() { <-w.settling }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for w.oldest() != nil {
		if err := w.settleOldest(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) oldest() *sending {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.sent) == 0 {
		return nil
	}
	return w.sent[0]
}

// forget drops a task and frees its slot.
func (w *writer) forget(s *sending) {
	w.mu.Lock()
	w.sent = slices.DeleteFunc(w.sent, func(other *sending) bool { return other == s })
	w.mu.Unlock()
	<-w.slots
}

// settleOldest waits for the oldest task. If the task failed, it calls isolateAll. The caller holds settling.
func (w *writer) settleOldest(ctx context.Context) error {
	s := w.oldest()
	if s == nil {
		return nil
	}
	good, err := w.docs.examine(ctx, s)
	if err != nil {
		return err
	}
	if good {
		w.forget(s)
		return nil
	}
	return w.isolateAll(ctx)
}

// isolateAll waits for all tasks while nothing new is sent. It then sends the documents of failed tasks again, one task
// at a time, so that each is alone in its batch.
func (w *writer) isolateAll(ctx context.Context) error {
	if err := w.posts.Acquire(ctx, int64(w.ix.cfg.MaxTasks)); err != nil {
		return err
	}
	defer w.posts.Release(int64(w.ix.cfg.MaxTasks))
	w.mu.Lock()
	all := slices.Clone(w.sent)
	w.mu.Unlock()
	var bad []*sending
	for i, s := range all {
		good, err := w.docs.examine(ctx, s)
		if err != nil {
			return err
		}
		if !good {
			s.leaveOut(all[i+1:])
			bad = append(bad, s)
		}
	}
	for _, s := range all {
		if !slices.Contains(bad, s) {
			w.forget(s)
		}
	}
	if err := w.docs.idle(ctx); err != nil {
		return err
	}
	for _, s := range bad {
		if err := w.docs.isolate(ctx, s); err != nil {
			return err
		}
		w.forget(s)
	}
	return nil
}
