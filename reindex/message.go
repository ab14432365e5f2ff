package reindex

import (
	"errors"
	"fmt"
	"strings"
)

// publicError is an error with a text for the callers of an API.
type publicError struct {
	error

	text string
}

func (e *publicError) Unwrap() error         { return e.error }
func (e *publicError) PublicMessage() string { return e.text }

// Public attaches to err a text that callers of an API may see. The text should name things that they can fix, such as
// a file, a line or a field. It must not contain secrets, hosts or the names of indexes. An error type can have a
// method PublicMessage() string instead.
//
// The Message of a job holds such a text. An error without one is described in general words, and the log has the
// details. The reason of a rejection is the public text of the Err of an [ItemError] or a [RecordError], or its whole
// text if it has no public one.
func Public(err error, text string) error {
	if err == nil {
		return nil
	}
	return &publicError{err, text}
}

// publicMessage returns the text of err that callers of an API may see, if it has one.
func publicMessage(err error) (string, bool) {
	public, ok := errors.AsType[interface {
		error
		PublicMessage() string
	}](err)
	if !ok {
		return "", false
	}
	return shorten(public.PublicMessage()), true
}

var phaseMessages = map[Phase]string{
	PhasePending: "the reindex failed while it waited for its turn",
	PhaseOpen:    "opening the source failed",
	PhaseBegin:   "opening a new index failed",
	PhaseLoad:    "loading the products failed",
	PhaseRead:    "reading the products failed",
	PhaseWrite:   "writing to the new index failed",
	PhaseCatchUp: "adding changes to the new index failed",
	PhaseSeal:    "completing the new index failed",
	PhaseCheck:   "checking the new index failed",
	PhaseCommit:  "switching over to the new index failed",
}

// message returns the reason why a job failed, for callers of an API. It is the full text if the text is the engine's
// own or public (see [Public]). An error of a source or an index can name hosts and accounts, so only its phase is
// described.
func message(err *RunError) string {
	text := causeMessage(err)
	if err.MayBeLive {
		text += err.worded(notSure)
	}
	return text
}

// what returns the noun for the run.
func (e *RunError) what() string { return Options{Rollback: e.rollback}.noun() }

// backWords turns a message about a reindex into one about a rollback.
var backWords = strings.NewReplacer(
	"the reindex", "the rollback",
	"opening a new index", "opening the previous index",
	"the new index", "the previous index")

// worded adapts one of the engine's own texts to the kind of run.
func (e *RunError) worded(text string) string {
	if e.rollback {
		return backWords.Replace(text)
	}
	return text
}

func causeMessage(err *RunError) string {
	if gate, ok := errors.AsType[*GateError](err); ok {
		return gate.Error()
	}
	_, panicked := errors.AsType[*PanicError](err)
	check, checked := errors.AsType[*CheckError](err)
	switch {
	case errors.Is(err, ErrCancelled):
		return err.worded(ErrCancelled.Error())
	case errors.Is(err, ErrShutdown):
		return err.worded("the reindex was stopped because the service was shut down")
	case errors.Is(err, ErrLeaseLost), errors.Is(err, ErrClaimLost), errors.Is(err, ErrFenced):
		return err.worded("the reindex was stopped because it was out of touch for too long; " +
			"another one may have taken over")
	case err.stopped:
		return err.worded("the reindex was stopped by its caller")
	case checked:
		return shorten(check.PublicMessage())
	case panicked, errors.Is(err, errGoexit), errors.Is(err, errMisuse):
		return err.worded("the reindex failed because of a defect" + seeLog)
	}
	failed := err.worded(phaseMessages[err.Phase])
	public, ok := publicMessage(err)
	switch {
	case ok:
		return failed + ": " + public
	case errors.Is(err, ErrNoPrevious):
		return failed + ": " + ErrNoPrevious.Error()
	case err.rollback && errors.Is(err, ErrDamaged):
		return failed + ": " + ErrDamaged.Error()
	}
	return failed + seeLog
}

// rejectionReason returns the reason why an index refused a batch of a single product, for callers of an API.
func rejectionReason(err error) string {
	if public, ok := publicMessage(err); ok {
		return public
	}
	if errors.Is(err, ErrTooLarge) {
		return "the product is " + ErrTooLarge.Error()
	}
	return "the product was " + ErrRefused.Error()
}

// counted returns a number of things in words, such as "1 product" or "2 products".
func counted[N int | int64](n N, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// were is counted with a verb, such as "1 product was" or "2 products were".
func were(n int64, thing string) string {
	if n == 1 {
		return counted(n, thing) + " was"
	}
	return counted(n, thing) + " were"
}
