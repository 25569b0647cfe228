// Command newdatabase makes an empty database on the Postgres server whose superuser's URL
// is in COAGENT_TEST_POSTGRES, and prints its URL. The tests in the browser, which are not
// written in Go, give one to each program that they start.
package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/coagent-studio/coagent/store/storetest"
)

func main() {
	made, err := create(context.Background(), os.Getenv(storetest.ServerEnv))
	if err != nil {
		fmt.Fprintln(os.Stderr, "newdatabase:", err)
		os.Exit(1)
	}
	fmt.Println(made)
}

// create makes a database on a server and returns its URL.
func create(ctx context.Context, server string) (string, error) {
	u, err := url.Parse(server)
	if err != nil || server == "" {
		return "", fmt.Errorf("%s: no URL of a server", storetest.ServerEnv)
	}
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	name := "coagent_e2e_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}
