package meilitest

import (
	"slices"
	"time"
)

// run processes batches, one after the other, until the server is closed.
func (s *Server) run() {
	defer close(s.stopped)
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		var batch []*task
		for !s.closed {
			if !s.paused {
				if batch = s.nextBatch(); len(batch) > 0 {
					break
				}
			}
			s.changed.Wait()
		}
		if s.closed {
			return
		}
		s.process(batch)
		s.changed.Broadcast()
	}
}

// nextBatch returns the tasks to process next: a cancellation, or else a deletion of tasks, or else the oldest task and
// those tasks after it that can share its batch.
func (s *Server) nextBatch() []*task {
	for s.firstOpen < len(s.tasks) && s.tasks[s.firstOpen].ended() {
		s.firstOpen++
	}
	open := s.tasks[s.firstOpen:]
	var oldest *task
	for _, kind := range []string{typeCancelation, typeTaskDelete, ""} {
		for _, t := range open {
			if t.status == Enqueued && (kind == "" || t.kind == kind) {
				oldest = t
				break
			}
		}
		if oldest != nil {
			break
		}
	}
	if oldest == nil {
		return nil
	}
	batch := []*task{oldest}
	if !batchable(oldest) {
		return batch
	}
	for _, t := range open {
		if t.uid <= oldest.uid || t.status != Enqueued || !t.touches(oldest.index) {
			continue
		}
		if !s.joins(batch, t) {
			break
		}
		batch = append(batch, t)
	}
	return batch
}

func batchable(t *task) bool {
	return t.kind == typeDocuments || t.kind == typeSettings || t.kind == typeDeletion && !t.clears()
}

// joins reports whether t, the next task of the same index, can become part of the batch.
func (s *Server) joins(batch []*task, t *task) bool {
	first, last := batch[0], batch[len(batch)-1]
	switch {
	case last.kind == typeDrop || last.clears():
		return false
	case t.kind == typeDrop:
		return true
	case first.kind == typeSettings || t.kind == typeSettings:
		return first.kind == t.kind
	case t.kind == typeDeletion:
		return true
	case t.kind != typeDocuments:
		return false
	}
	key := ""
	if ix := s.indexes[first.index]; ix != nil {
		key = ix.primaryKey
	}
	for _, other := range batch {
		if key == "" && other.kind == typeDocuments && other.primaryKey != nil {
			key = *other.primaryKey
		}
		if other.kind == typeDocuments && (other.mayCreate != t.mayCreate || wrongKey(other, key)) {
			return false
		}
	}
	return !wrongKey(t, key)
}

func wrongKey(t *task, key string) bool {
	return t.primaryKey != nil && key != "" && *t.primaryKey != key
}

// process processes one batch, once no Hold delays it. The caller holds the lock, which is released during a delay.
func (s *Server) process(batch []*task) {
	uid, now := s.nextBatchUID, time.Now()
	for _, t := range batch {
		t.batch, t.status, t.started = uid, Processing, now
	}
	s.prepare(batch)
	s.current, s.stop = batch, false
	s.changed.Broadcast()
	for !s.closed && !s.stop && s.isHeld(batch) {
		s.changed.Wait()
	}
	s.current = nil
	if s.closed || s.stop {
		for _, t := range batch {
			t.batch, t.status, t.started = -1, Enqueued, time.Time{}
		}
		return
	}
	s.nextBatchUID++
	if s.taskFault != nil {
		batch = s.failTasks(batch)
	}
	if len(batch) > 0 {
		s.apply(batch)
	}
}

// failTasks ends the tasks for which the injected fault returns an error, and returns the others.
func (s *Server) failTasks(batch []*task) []*task {
	return slices.DeleteFunc(slices.Clone(batch), func(t *task) bool {
		err := s.taskFault(t.kind, t.index)
		if err != nil {
			t.finish(Failed, err)
		}
		return err != nil
	})
}

func (s *Server) isHeld(batch []*task) bool {
	return slices.ContainsFunc(batch, func(t *task) bool { return s.held[t.uid] })
}

// prepare creates the index that a batch of documents or settings needs. The index stays if the batch fails or is
// stopped.
func (s *Server) prepare(batch []*task) {
	first := batch[0]
	creates := first.kind == typeDocuments || first.kind == typeSettings && len(first.settings.keys) < len(settingNames)
	if creates && first.mayCreate && s.indexes[first.index] == nil && batch[len(batch)-1].kind != typeDrop {
		s.createIndex(first.index)
	}
}

func (s *Server) apply(batch []*task) {
	last := batch[len(batch)-1]
	switch {
	case last.kind == typeDrop:
		s.dropIndex(batch)
	case last.clears():
		s.clearIndex(batch)
	case last.kind == typeCancelation:
		s.cancel(last)
	case last.kind == typeTaskDelete:
		s.deleteTasks(last)
	case last.kind == typeSwap:
		s.swap(last)
	case last.kind == typeCreation:
		s.create(last)
	case last.kind == typeUpdate:
		s.update(last)
	case last.kind == typeSettings:
		s.changeSettings(batch)
	default:
		s.changeDocuments(batch)
	}
}

// clears reports whether the task deletes all documents of its index.
func (t *task) clears() bool { return t.kind == typeDeletion && t.deletedIDs == nil }

func (s *Server) cancel(by *task) {
	canceled := 0
	for _, uid := range by.targets {
		if t := s.task(uid); t != nil && !t.ended() && t != by {
			t.batch, t.canceledBy, t.started = by.batch, by.uid, by.started
			t.finish(Canceled, nil)
			canceled++
		}
	}
	by.details.set("canceledTasks", canceled)
	by.finish(Succeeded, nil)
}

func (s *Server) deleteTasks(by *task) {
	deleted := 0
	s.tasks = slices.DeleteFunc(s.tasks, func(t *task) bool {
		gone := t.ended() && slices.Contains(by.targets, t.uid)
		if gone {
			deleted++
		}
		return gone
	})
	s.firstOpen = 0
	by.details.set("deletedTasks", deleted)
	by.finish(Succeeded, nil)
}

// enqueue adds a task to the queue. If the task cancels the batch in progress, it stops that batch.
func (s *Server) enqueue(t *task) *object {
	t.uid, t.batch, t.canceledBy, t.status, t.enqueued = s.nextTaskUID, -1, -1, Enqueued, time.Now()
	s.nextTaskUID++
	s.tasks = append(s.tasks, t)
	if t.kind == typeCancelation {
		s.stop = slices.ContainsFunc(s.current, func(c *task) bool { return slices.Contains(t.targets, c.uid) })
	}
	s.changed.Broadcast()
	return t.summary()
}

func (s *Server) task(uid int) *task {
	i, ok := slices.BinarySearchFunc(s.tasks, uid, func(t *task, uid int) int { return t.uid - uid })
	if !ok {
		return nil
	}
	return s.tasks[i]
}
