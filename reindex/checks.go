package reindex

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Check is a judgement of the host's on a new generation, before it goes live; see Config.Checks. Package golden makes
// one of queries and what they have to find.
type Check struct {
	// Name is what messages call the check. Callers of an API see it.
	Name string

	// Func returns the reason why the candidate must not go live, or nil. Callers of an API see the text of an error that
	// [Public] has made; the log has all of it. ctx ends after Timeout, and with the run. It is called for one candidate
	// of a tenant at a time, and for those of several tenants at once.
	Func func(ctx context.Context, candidate Candidate) error

	// Timeout is how long Func may take. Default 1 minute.
	Timeout time.Duration
}

const defaultCheckTimeout = time.Minute

// Candidate is a sealed generation that may go live. A check finds what its index offers for searching it through [As]:
// bleveindex.Candidate, esindex.Candidate, meiliindex.Candidate.
type Candidate struct {
	// Tenant and Job are those of the run.
	Tenant, Job string
	// Documents is the number of products that the generation holds.
	Documents int64

	generation Generation
}

// Name returns the generation's name in the index.
func (c Candidate) Name() string { return nameOf(c.generation) }

// Unwrap returns the generation, for [As] alone: whoever calls its methods breaks the run.
func (c Candidate) Unwrap() Generation { return c.generation }

// CheckError is the reason why a check of the host's did not let a generation go live.
type CheckError struct {
	// Check is the name of the check.
	Check string
	// Err is the error that it returned.
	Err error
}

// Error names the check and its reason.
func (e *CheckError) Error() string {
	return fmt.Sprintf("not published, check %q: %v", e.Check, e.Err)
}

// Unwrap returns the check's error.
func (e *CheckError) Unwrap() error { return e.Err }

// PublicMessage is what callers of an API may see: the name of the check, and what it saw if that is [Public].
func (e *CheckError) PublicMessage() string {
	text, ok := publicMessage(e.Err)
	if !ok {
		text = "it refused the new index" + seeLog
	}
	if errors.As(e.Err, new(*PanicError)) || errors.Is(e.Err, errGoexit) {
		text = "it failed by a defect" + seeLog
	}
	return fmt.Sprintf("not published, check %q: %s", e.Check, text)
}

// checks asks each of the host's checks about a sealed generation.
func (r *run) checks(ctx context.Context, gen Generation, sealed Sealed) error {
	job := r.record.now()
	for _, check := range r.cfg.Checks {
		err := check.run(ctx, Candidate{job.Tenant, job.ID, sealed.Documents, gen})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return &CheckError{check.Name, err}
		}
	}
	return nil
}

func (c Check) run(ctx context.Context, candidate Candidate) error {
	limit := c.Timeout
	setDefault(&limit, defaultCheckTimeout)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := contain(func() error { return c.Func(ctx, candidate) })
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		text := fmt.Sprintf("it took longer than %v", limit)
		return Public(errors.Join(errors.New(text), err), text)
	}
	return err
}

// validateChecks returns the faults of a config's checks.
func validateChecks(checks []Check) (errs []error) {
	for i, c := range checks {
		if c.Name == "" || !printable(c.Name) {
			errs = append(errs, fmt.Errorf("Checks[%d].Name is %q, it must be printable text", i, c.Name))
		}
		if c.Func == nil {
			errs = append(errs, fmt.Errorf("Checks[%d].Func is nil", i))
		}
		if c.Timeout < 0 {
			errs = append(errs, fmt.Errorf("Checks[%d].Timeout is %v, it must not be negative", i, c.Timeout))
		}
	}
	return errs
}
