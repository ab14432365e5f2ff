//go:build unix

package main

import (
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

const fleetSize = 3000 // products, in parts of 100

// newFleet starts a server with the role trigger and two workers. They share a PostgreSQL, which also has the products,
// and an Elasticsearch. The wires belong to the workers.
func newFleet(t *testing.T) (servers [3]*server, wires [2]*wire, search func(q question) found) {
	t.Helper()
	address, postgres := startElasticsearch(t), startPostgres(t)
	connection, err := pgx.ParseConfig(postgres)
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDB(*connection)
	defer db.Close()
	fillShop(t, db)
	prefix := "fleet" + strings.ToLower(rand.Text())
	env := []string{
		"PRODUCTINDEX_DATABASE=" + postgres, "PRODUCTINDEX_QUERY=SELECT id, name FROM products WHERE $1 = 'acme'",
		"PRODUCTINDEX_BACKEND=elasticsearch", "ELASTICSEARCH_PREFIX=" + prefix, "PRODUCTINDEX_CHANGES=true",
		"PRODUCTINDEX_JOBS=" + postgres, "PRODUCTINDEX_JOBS_LEASE=" + sharedLease.String(),
		"PRODUCTINDEX_FLEET_PART_PRODUCTS=100", "PRODUCTINDEX_KEEP_PREVIOUS=1",
	}
	servers[0] = start(t, append([]string{"ELASTICSEARCH_URL=" + address, "PRODUCTINDEX_FLEET=trigger"}, env...)...)
	for i, role := range []string{"worker", "both"} {
		wires[i] = newWire(t, address)
		servers[i+1] = start(t,
			append([]string{"ELASTICSEARCH_URL=" + wires[i].url, "PRODUCTINDEX_FLEET=" + role}, env...)...)
	}
	index, err := openElasticsearch(config{Elasticsearch: elasticsearch{URL: address, Prefix: prefix}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = index.close() })
	return servers, wires, func(q question) found {
		answer, err := index.search(t.Context(), "acme", q)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
}

func fillShop(t *testing.T, db *sql.DB) {
	t.Helper()
	for _, statement := range []string{
		"CREATE TABLE products (id TEXT PRIMARY KEY, name TEXT NOT NULL)",
		"INSERT INTO products SELECT 'p-' || lpad(n::text, 6, '0'), 'sock' FROM generate_series(1, 3000) AS s(n)",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

// Three servers reindex one tenant together. One of the two workers is killed while it writes. An edit through the
// trigger is in the index when it goes live.
func TestFleet(t *testing.T) {
	servers, wires, search := newFleet(t)
	trigger := servers[0]
	edited := make(chan struct{})
	kill := sync.OnceFunc(func() {
		defer close(edited)
		status, body := trigger.send(t, http.MethodPut, "/indexing/acme/products/p-000001", "",
			`{"id":"p-000001","name":"glove"}`)
		if status >= http.StatusMultipleChoices {
			t.Errorf("an edit was answered with %d %s, want a success", status, body)
		}
		if err := servers[1].cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
	})
	wires[0].set(func(e event) {
		if e.isWrite() {
			kill()
		}
	})
	wires[1].set(func(e event) {
		if e.isWrite() {
			<-edited // so that neither worker does all of the work
		}
	})
	j, isNew := trigger.trigger(t, "acme")
	if end := trigger.awaitEnd(t, "acme", j.ID); !isNew || end.Status != "SUCCESS" {
		t.Fatalf("the job is new: %v, and is %+v, want a new one and SUCCESS", isNew, end)
	}
	if n := search(question{}).Total; n != fleetSize {
		t.Errorf("%d products are live, want %d", n, fleetSize)
	}
	if answer := search(question{Text: "glove"}); answer.Total != 1 || answer.Hits[0].ID != "p-000001" {
		t.Errorf("got %+v, want only the edited product", answer)
	}
	goBack(t, trigger, search)
	if status, body := trigger.do(t, http.MethodGet, "/readyz", ""); status != http.StatusOK {
		t.Errorf("/readyz answered %d %s, want 200", status, body)
	}
	for range servers[1].log { // until the server that was killed has ended
	}
	if err := servers[1].cmd.Wait(); err == nil {
		t.Error("the server that was killed ended by itself")
	}
	servers[2].stop(t)
	trigger.stop(t)
}

// goBack reindexes again, which removes the edit because the source does not have it. Then it rolls back.
func goBack(t *testing.T, trigger *server, search func(q question) found) {
	t.Helper()
	j, _ := trigger.trigger(t, "acme")
	if end := trigger.awaitEnd(t, "acme", j.ID); end.Status != "SUCCESS" {
		t.Fatalf("the second job is %+v, want SUCCESS", end)
	}
	if n := search(question{Text: "glove"}).Total; n != 0 {
		t.Errorf("after the second reindex, %d products have the edit, want none", n)
	}
	status, body := trigger.send(t, http.MethodPost, "/indexing/acme/rollback", "", "")
	if status != http.StatusAccepted {
		t.Fatalf("a rollback was answered with %d %s, want 202", status, body)
	}
	if err := json.Unmarshal([]byte(body), &j); err != nil {
		t.Fatal(err)
	}
	if end := trigger.awaitEnd(t, "acme", j.ID); end.Status != "SUCCESS" {
		t.Fatalf("the rollback is %+v, want SUCCESS", end)
	}
	if n, all := search(question{Text: "glove"}).Total, search(question{}).Total; n != 1 || all != fleetSize {
		t.Errorf("after the rollback, %d of %d products have the edit, want 1 of %d", n, all, fleetSize)
	}
}
