package webhook_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"productindex/reindex"
	"productindex/reindex/reindextest"
	"productindex/reindex/webhook"
)

// The receiver verifies the signature with the same secret.
func ExampleNew() {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		verifier, err := standardwebhooks.NewWebhook(secret)
		if err == nil {
			err = verifier.Verify(body, r.Header)
		}
		fmt.Println("signed:", err == nil)
	}))
	defer receiver.Close()

	hook, err := webhook.New(webhook.Config{
		URL: receiver.URL, Secret: secret,
		AllowPrivate: true, // the receiver of this example is on the same machine
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	source := reindextest.Slice(reindextest.Products(10, "1"))
	engine, err := reindex.New(source, reindextest.NewMemory(), &reindex.Config{Trace: hook.Trace(nil)})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := engine.Run(context.Background(), "acme"); err != nil {
		fmt.Println(err)
	}
	fmt.Println(engine.Shutdown(context.Background()), hook.Close(context.Background()))
	// Output:
	// signed: true
	// <nil> <nil>
}
