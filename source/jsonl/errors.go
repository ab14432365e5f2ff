package jsonl

import (
	"errors"
	"fmt"

	"productindex/source/internal/files"
	"productindex/source/internal/public"
)

// Sentinel errors for states. Match them with [errors.Is].
var (
	// ErrUnknownTenant means that there is no file for the tenant.
	ErrUnknownTenant = files.ErrUnknownTenant

	// ErrAmbiguous means that more than one file or folder matches.
	ErrAmbiguous = files.ErrAmbiguous

	// ErrTooLong means that a line or a value is longer than Config.MaxLineBytes.
	ErrTooLong = errors.New("the line is too long")

	// ErrNoID means that a line or a value has no valid id.
	ErrNoID = errors.New("no product id")

	// ErrChanged means that a file has changed since the snapshot was opened, or since it was split.
	ErrChanged = files.ErrChanged
)

// LineError is the place and the reason of an error that ended a read.
type LineError struct {
	// File is the file's path in the source's folder, with slashes.
	File string

	// Line is the line's number, from 1. In compressed files, lines are counted after decompression.
	Line int64

	// Err is the reason. It matches [io.ErrUnexpectedEOF] if the file is cut off, and otherwise the error of reading or
	// decompressing the file, if there was one.
	Err error
}

// Error names file, line and reason.
func (e *LineError) Error() string {
	return fmt.Sprintf("jsonl: %s, line %d: %v", e.File, e.Line, e.Err)
}

// PublicMessage names file, line and reason for callers of an API: the file's path is within the source's folder.
// Errors of the file system are in general words. See [reindex.Public].
func (e *LineError) PublicMessage() string {
	return fmt.Sprintf("%s, line %d: %s", e.File, e.Line, public.Reason(e.Err))
}

// Unwrap returns the reason.
func (e *LineError) Unwrap() error { return e.Err }
