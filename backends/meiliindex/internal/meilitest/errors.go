package meilitest

import (
	"fmt"
	"net/http"
	"sort"
	"strings"
)

// TaskError is the error of an answer or a task, in the format of the server.
type TaskError struct {
	Message string `json:"message"`
	Code    string `json:"code"`
	Type    string `json:"type"`
	Link    string `json:"link"`

	status int
}

func (e *TaskError) Error() string { return e.Message }

func invalid(status int, code, format string, args ...any) *TaskError {
	return newError(status, "invalid_request", code, fmt.Sprintf(format, args...))
}

func newError(status int, kind, code, message string) *TaskError {
	return &TaskError{Message: message, Code: code, Type: kind, Link: "https://docs.meilisearch.com/errors#" + code,
		status: status}
}

func badRequest(code, format string, args ...any) *TaskError {
	return invalid(http.StatusBadRequest, code, format, args...)
}

func internalError(message string) *TaskError {
	return newError(http.StatusInternalServerError, "internal", "internal", message)
}

func authError(status int, code, message string) *TaskError {
	return newError(status, "auth", code, message)
}

func invalidKey() *TaskError {
	return authError(http.StatusForbidden, "invalid_api_key", "The provided API key is invalid.")
}

func indexNotFound(uids ...string) *TaskError {
	if len(uids) == 1 {
		return invalid(http.StatusNotFound, "index_not_found", "Index `%s` not found.", uids[0])
	}
	sort.Strings(uids)
	return invalid(http.StatusNotFound, "index_not_found", "Indexes `%s` not found.", strings.Join(uids, "`, `"))
}

const uidRule = "is not a valid index uid. Index uid can be an integer or a string containing only alphanumeric " +
	"characters, hyphens (-) and underscores (_), and can not be more than 512 bytes."

const idRule = "is invalid. A document identifier can be of type integer or string, only composed of alphanumeric " +
	"characters (a-z A-Z 0-9), hyphens (-) and underscores (_), and can not be more than 511 bytes."

// validUID reports whether s can be the uid of an index. Its limit is 400 bytes, although the message of the server
// gives another limit.
func validUID(s string) bool { return validID(s, 400) }

func validDocumentID(s string) bool { return validID(s, 511) }

func validID(s string, limit int) bool {
	if s == "" || len(s) > limit {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !isDigit(c) && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// expectedOneOf returns the end of a message about an unknown name.
func expectedOneOf(names []string) string {
	return "expected one of `" + strings.Join(names, "`, `") + "`"
}
