package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"productindex/httpapi/internal/jobquery"
)

// MessageUnavailable is the message of the 400 for a valid request that the engine could not carry out. A caller may
// repeat the request: if a run was started after all, a repeated trigger joins it.
const MessageUnavailable = "The request cannot be carried out now"

// MessageTooManyTriggers is the message of the 400 for a valid request that came too soon after others of the tenant.
// The header Retry-After has the seconds to wait.
const MessageTooManyTriggers = "Too many reindex requests"

// MessageTooManyFailures is the message of the 403 for a client that failed to authenticate too often. The header
// Retry-After has the seconds to wait.
const MessageTooManyFailures = "Too many failed authentications"

// response is a complete answer, ready to be written.
type response struct {
	status int
	header map[string]string                                 // beyond those that every response has
	body   []byte                                            // JSON, or none
	stream func(http.ResponseWriter) (sent int64, err error) // if it is set, writes the body piece by piece
}

// problem is an error that is answered with an errorMessage.
type problem struct {
	status     int
	message    string
	details    []string
	allow      string        // of 405
	challenge  string        // of 403: WWW-Authenticate
	retryAfter time.Duration // of a request that came too soon
}

func (p *problem) Error() string { return p.message }

// invalid is a 400.
func invalid(message string, details ...string) *problem {
	return &problem{status: http.StatusBadRequest, message: message, details: details}
}

// unavailable is the 400 for a request that failed through no fault of the caller.
func unavailable(requestID string) *problem {
	return invalid(MessageUnavailable, "Nothing is wrong with the request; try again later", "Request id: "+requestID)
}

// tooManyTriggers is the 400 for a request that came too soon.
func tooManyTriggers(wait time.Duration) *problem {
	p := invalid(MessageTooManyTriggers, "Nothing else is wrong with the request", "Try again in "+seconds(wait)+" s")
	p.retryAfter = wait
	return p
}

// tooManyFailures is the 403 for a client that has failed too often.
func tooManyFailures(wait time.Duration) *problem {
	p := forbidden(MessageTooManyFailures, "Try again in "+seconds(wait)+" s")
	p.retryAfter = wait
	return p
}

// seconds returns a time in whole seconds. It rounds up, so that a client never comes back too early.
func seconds(d time.Duration) string {
	return strconv.FormatInt(max(1, int64((d+time.Second-1)/time.Second)), 10)
}

// notFound is a 404.
func notFound(details ...string) *problem {
	return &problem{status: http.StatusNotFound, message: "Not found", details: details}
}

// conflict is a 409.
func conflict(message string, details ...string) *problem {
	return &problem{status: http.StatusConflict, message: message, details: details}
}

// forbidden is a 403.
func forbidden(message string, details ...string) *problem {
	return &problem{status: http.StatusForbidden, message: message, details: details}
}

// unauthorized is an error that is answered with 401.
type unauthorized struct {
	expired   bool
	anonymous bool // the request carried no credentials
	scope     string
}

func (u *unauthorized) Error() string {
	if u.expired {
		return ErrExpiredToken.Error()
	}
	return ErrInvalidToken.Error()
}

// toWire is the only place that turns errors into responses. Of a foreign error, a caller sees only the id under which
// it was logged.
func toWire(err error, requestID string) response {
	var (
		u *unauthorized
		p *problem
		q *jobquery.Error
	)
	switch {
	case errors.As(err, &u):
		return u.response()
	case errors.As(err, &p):
		return p.response()
	case errors.As(err, &q):
		return invalid(q.Message, q.Detail).response()
	default:
		return unavailable(requestID).response()
	}
}

// errorMessage is the schema of that name.
type errorMessage struct {
	Code    int      `json:"code"`
	Status  string   `json:"status"`
	Message string   `json:"message"`
	Details []string `json:"details"`
}

func (p *problem) response() response {
	details := p.details
	if details == nil {
		details = []string{}
	}
	res := jsonResponse(p.status, errorMessage{
		Code:    p.status,
		Status:  http.StatusText(p.status),
		Message: p.message,
		Details: details,
	})
	if p.allow != "" {
		res.header["Allow"] = p.allow
	}
	if p.challenge != "" {
		res.header["Www-Authenticate"] = p.challenge
	}
	if p.retryAfter > 0 {
		res.header["Retry-After"] = seconds(p.retryAfter)
	}
	return res
}

// fault is the body of a 401.
type fault struct {
	Fault struct {
		Faultstring string `json:"faultstring"`
		Detail      struct {
			Errorcode string `json:"errorcode"`
		} `json:"detail"`
	} `json:"fault"`
}

// response has the challenge that RFC 6750, section 3, asks for: without an error code if there were no credentials.
func (u *unauthorized) response() response {
	var f fault
	f.Fault.Faultstring, f.Fault.Detail.Errorcode = "Invalid access token", "oauth.v2.InvalidAccessToken"
	if u.expired {
		f.Fault.Faultstring, f.Fault.Detail.Errorcode = "Access Token expired", "keymanagement.service.access_token_expired"
	}
	challenge := fmt.Sprintf(`Bearer realm="indexing", scope=%q`, u.scope)
	if !u.anonymous {
		challenge += fmt.Sprintf(`, error="invalid_token", error_description=%q`, f.Fault.Faultstring)
	}
	res := jsonResponse(http.StatusUnauthorized, f)
	res.header["Www-Authenticate"] = challenge
	return res
}

// jsonResponse encodes v, a value of this package that can always be encoded.
func jsonResponse(status int, v any) response {
	body, err := json.Marshal(v)
	if err != nil {
		return response{status: status, header: map[string]string{}}
	}
	return response{status: status, header: map[string]string{}, body: body}
}

// write sends the response to a request of that method, and returns the number of bytes of the body that were written.
// Its error is that of the connection. It does not call Write for an empty body: HTTP/2 refuses that after 204, and
// middleware would look for the body's type.
func (res response) write(w http.ResponseWriter, method, requestID string) (int64, error) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'") // for browsers that open this URL
	header.Set("X-Request-ID", requestID)
	if len(res.body) > 0 {
		header.Set("Content-Type", "application/json")
	}
	for name, value := range res.header {
		header.Set(name, value)
	}
	if len(res.body) > 0 {
		header.Set("Content-Length", strconv.Itoa(len(res.body)))
	}
	w.WriteHeader(res.status)
	if res.stream != nil {
		return res.stream(w)
	}
	if len(res.body) == 0 || method == http.MethodHead {
		return 0, nil
	}
	n, err := w.Write(res.body)
	return int64(n), err
}
