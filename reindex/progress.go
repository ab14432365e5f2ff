package reindex

import (
	"slices"
	"sync"
	"time"
)

// progress is the job of a run in progress. All changes of the job are made here, and its followers wait here.
type progress struct {
	mu   sync.Mutex
	job  Job
	wake chan struct{} // closed at the next change; nil while nobody waits

	watch func(Job) // called after each change; may be nil
}

// change applies f to the job and returns the new state.
func (p *progress) change(f func(j *Job)) Job {
	job := p.apply(f)
	if p.watch != nil {
		p.watch(job)
	}
	return job
}

func (p *progress) apply(f func(j *Job)) Job {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.job)
	r := &p.job.Report
	p.job.Processed = r.Indexed + r.Rejected + r.Duplicates
	p.job.Modified = time.Now().UTC()
	if p.wake != nil {
		close(p.wake)
		p.wake = nil
	}
	return p.snapshot()
}

// now returns the current state of the job.
func (p *progress) now() Job {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.snapshot()
}

// follow returns the current state of the job, and a channel that is closed when it changes.
func (p *progress) follow() (Job, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wake == nil {
		p.wake = make(chan struct{})
	}
	return p.snapshot(), p.wake
}

// snapshot returns a copy. Later changes do not reach its slices, since the originals only grow.
func (p *progress) snapshot() Job {
	j := p.job
	j.Report.Rejections = slices.Clip(j.Report.Rejections)
	j.Report.DuplicateIDs = slices.Clip(j.Report.DuplicateIDs)
	return j
}
