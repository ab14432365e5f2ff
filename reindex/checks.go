package reindex

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Check lets the host inspect a new generation and keep it from going live; see Config.Checks. Package golden builds a
// Check from queries and the products that they have to find.
type Check struct {
	// Name identifies the check in messages. Callers of an API see it.
	Name string

	// Func returns the reason why the candidate must not go live, or nil. Callers of an API see the text of an error that
	// [Public] has made; the log holds the text of every error. ctx ends after Timeout, or with the run. Func is called
	// for one candidate per tenant at a time, and concurrently for several tenants.
	Func func(ctx context.Context, candidate Candidate) error

	// Timeout limits how long Func may take. Default 1 minute.
	Timeout time.Duration
}

const defaultCheckTimeout = time.Minute

// Candidate is a sealed generation that may go live. To search it, a check passes it to [As], with the type that the
// package of its index offers: bleveindex.Candidate, esindex.Candidate or meiliindex.Candidate.
type Candidate struct {
	// Tenant and Job identify the run.
	Tenant, Job string
	// Documents is the number of products that the generation holds.
	Documents int64

	generation Generation
}

// Name returns the generation's name in the index.
func (c Candidate) Name() string { return nameOf(c.generation) }

// Unwrap returns the generation for [As]. A caller that calls the methods of the generation breaks the run.
func (c Candidate) Unwrap() Generation { return c.generation }

// CheckError reports that a check of the host kept a generation from going live.
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

// PublicMessage returns the text that callers of an API may see: the name of the check, and its reason if that is
// [Public].
func (e *CheckError) PublicMessage() string {
	text, ok := publicMessage(e.Err)
	if !ok {
		text = "it refused the new index" + seeLog
	}
	if errors.As(e.Err, new(*PanicError)) || errors.Is(e.Err, errGoexit) {
		text = "it failed because of a defect" + seeLog
	}
	return fmt.Sprintf("not published, check %q: %s", e.Check, text)
}

// checks calls each of the host's checks for a sealed generation.
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
