package reindex

import (
	"slices"
	"sync"
	"time"
)

// progress is a job while its run goes on: the one place where it changes, and where those who follow it wait.
type progress struct {
	mu   sync.Mutex
	job  Job
	wake chan struct{} // closed at the next change; nil while nobody waits

	watch func(Job) // is called after each change, if it is set
}

// change applies f to the job and returns it as it is then.
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

// now returns the job as it is.
func (p *progress) now() Job {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.snapshot()
}

// follow returns the job as it is, and a channel that is closed when it changes.
func (p *progress) follow() (Job, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wake == nil {
		p.wake = make(chan struct{})
	}
	return p.snapshot(), p.wake
}

// snapshot returns a copy whose slices no later change reaches: they only ever grow.
func (p *progress) snapshot() Job {
	j := p.job
	j.Report.Rejections = slices.Clip(j.Report.Rejections)
	j.Report.DuplicateIDs = slices.Clip(j.Report.DuplicateIDs)
	return j
}
