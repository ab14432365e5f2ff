package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/caarlos0/env/v11"
)

// config is the server's environment.
type config struct {
	// Addr is the address on which the server listens.
	Addr string `env:"PRODUCTINDEX_ADDR" envDefault:"127.0.0.1:8080"`
	// Catalogue is the source of the products.
	Catalogue catalogue
	// Backend is the index: bleve, elasticsearch or meilisearch.
	Backend string `env:"PRODUCTINDEX_BACKEND" envDefault:"bleve"`
	// Index is the folder of bleve's index. Default: productindex in the user's cache folder.
	Index string `env:"PRODUCTINDEX_INDEX"`
	// KeepPrevious is the number of earlier indexes per tenant that are kept for rollbacks. Each takes the disk space
	// of an index.
	KeepPrevious int `env:"PRODUCTINDEX_KEEP_PREVIOUS" envDefault:"1"`
	// Elasticsearch is the server of the backend elasticsearch.
	Elasticsearch elasticsearch
	// Meilisearch is the server of the backend meilisearch.
	Meilisearch meili

	// Jobs is the store of jobs and changes: a file of SQLite, "sqlite:jobs.db", or PostgreSQL,
	// "postgres://user:password@host/database". Default: memory. Servers on one PostgreSQL and one index together run
	// at most one job per tenant.
	Jobs string `env:"PRODUCTINDEX_JOBS,unset"`
	// JobsLease is the time after its last sign of life at which a server counts as dead. Its jobs then fail.
	JobsLease time.Duration `env:"PRODUCTINDEX_JOBS_LEASE" envDefault:"30s"`

	// Fleet makes several servers reindex one tenant together.
	Fleet fleetSettings

	// ServerURL and TokenURL are the URLs, or paths, of this server and of the token endpoint in the served OpenAPI
	// document; see httpapi.Config.
	ServerURL string `env:"PRODUCTINDEX_SERVER_URL"`
	TokenURL  string `env:"PRODUCTINDEX_TOKEN_URL"`

	// Token is a bearer token that may do everything. Without it and SignedTokens the server listens on loopback
	// addresses only.
	Token string `env:"PRODUCTINDEX_TOKEN,unset"`
	// SignedTokens configures signed tokens, which are also accepted.
	SignedTokens signedTokens
	// MaxFailures is the number of requests without a valid token that a client may send per minute; 0 means no limit.
	// Behind a proxy, all clients count as one.
	MaxFailures int `env:"PRODUCTINDEX_FAILURES_PER_MINUTE" envDefault:"30"`
	// MaxTriggers is the number of triggers that are accepted per tenant and minute; 0 means no limit.
	MaxTriggers int `env:"PRODUCTINDEX_TRIGGERS_PER_MINUTE" envDefault:"60"`

	// Changes turns on the endpoints that change single products: PUT and DELETE /indexing/{tenant}/products/{id} and
	// POST /indexing/{tenant}/changes.
	Changes bool `env:"PRODUCTINDEX_CHANGES" envDefault:"false"`

	// Operations configures the schedule, limits and webhooks.
	Operations operations

	// Golden is a folder with the golden queries of tenants, such as acme.golden.json. A new index must pass them
	// before it goes live; see package golden.
	Golden string `env:"PRODUCTINDEX_GOLDEN"`

	// MaxRejected is the greatest number of rejected products with which a new index goes live.
	MaxRejected int64 `env:"PRODUCTINDEX_MAX_REJECTED" envDefault:"0"`
	// MaxRuns is the greatest number of tenants that are reindexed at the same time.
	MaxRuns int `env:"PRODUCTINDEX_MAX_RUNS" envDefault:"2"`
	// ShutdownTimeout is the time that requests and running reindexes have to end after SIGTERM. Then they are cancelled.
	ShutdownTimeout time.Duration `env:"PRODUCTINDEX_SHUTDOWN_TIMEOUT" envDefault:"30s"`
}

func loadConfig() (config, error) {
	cfg, err := env.ParseAs[config]()
	if err != nil {
		return cfg, err
	}
	if cfg.Token == "" && !cfg.SignedTokens.wanted() && !loopback(cfg.Addr) {
		return cfg, fmt.Errorf(
			"PRODUCTINDEX_ADDR is %s, which other machines can reach; set PRODUCTINDEX_TOKEN or PRODUCTINDEX_OAUTH_*", cfg.Addr,
		)
	}
	if cfg.Index == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return cfg, fmt.Errorf("set PRODUCTINDEX_INDEX: %w", err)
		}
		cfg.Index = filepath.Join(cache, "productindex")
	}
	return cfg, nil
}

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
