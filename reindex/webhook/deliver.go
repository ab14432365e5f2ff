package webhook

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"code.dny.dev/ssrf"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"productindex/reindex"
)

// deliver sends an event until it has arrived or may not be tried again.
func (h *Hook) deliver(e event) {
	attempts := 0
	err := h.cfg.Retry.Do(h.ctx, func() error {
		if attempts++; h.ctx.Err() != nil {
			return h.ctx.Err()
		}
		return h.post(e)
	})
	logger := h.cfg.Logger.With("tenant", e.tenant, "event", e.id, "attempts", attempts)
	if err != nil {
		if h.ctx.Err() != nil {
			h.cut.Add(1)
		}
		logger.ErrorContext(h.ctx, "webhook: an event did not arrive", "error", err)
		return
	}
	logger.InfoContext(h.ctx, "webhook: an event was sent")
}

// post sends an event once.
func (h *Hook) post(e event) error {
	now := time.Now()
	signature, err := h.signer.Sign(e.id, now, e.body)
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	req, err := http.NewRequestWithContext(h.ctx, http.MethodPost, h.cfg.URL, bytes.NewReader(e.body))
	if err != nil {
		return hidden(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "productindex-webhook")
	req.Header.Set(standardwebhooks.HeaderWebhookID, e.id)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	res, err := h.client.Do(req)
	if err != nil {
		if errors.Is(err, ssrf.ErrProhibitedIP) || errors.Is(err, ssrf.ErrProhibitedPort) {
			return fmt.Errorf("the URL leads to an address that is not allowed (AllowPrivate): %w", hidden(err))
		}
		return reindex.Temporary(hidden(err))
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer)) // so that the connection can be used again
	switch {
	case res.StatusCode >= http.StatusOK && res.StatusCode < http.StatusMultipleChoices:
		return nil
	case res.StatusCode == http.StatusGone:
		return errors.New("the receiver wants no more events (410)")
	}
	failure := fmt.Errorf("the receiver answered with status %d", res.StatusCode)
	return &reindex.TemporaryError{Err: failure, RetryAfter: retryAfter(res.Header.Get("Retry-After"), now)}
}

// hidden returns the error of a failed request without the URL, which can hold secrets.
func hidden(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// retryAfter returns how long a receiver asks to wait.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
