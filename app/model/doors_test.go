package model_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	modulePath = "github.com/coagent-studio/coagent/"
	llmPath    = modulePath + "app/llm"
)

// source is a file of the program, without its tests.
type source struct {
	path string
	*ast.File
}

// sources parses the program.
func sources(t *testing.T) (all []source) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && strings.HasPrefix(d.Name(), "."), d.IsDir() && d.Name() == "testdata", d.IsDir() && d.Name() == "llmtest":
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		all = append(all, source{filepath.ToSlash(rel), f})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// imports tells whether a file imports a package.
func (s source) imports(path string) bool {
	return slices.ContainsFunc(s.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"`+path+`"` })
}

// uses tells whether a file names x.name, where x ends in of.
func (s source) uses(of, name string) (found bool) {
	ast.Inspect(s.File, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok || sel.Sel.Name != name {
			return true
		}
		switch x := sel.X.(type) {
		case *ast.Ident:
			found = found || x.Name == of
		case *ast.SelectorExpr:
			found = found || x.Sel.Name == of
		}
		return true
	})
	return found
}

// makes tells in how many functions a file sets a member, or makes a value of a type, of
// this name, and which they are.
func (s source) makes(name string) (in []string) {
	for _, d := range s.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			var named bool
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, left := range n.Lhs {
					sel, ok := left.(*ast.SelectorExpr)
					named = named || ok && sel.Sel.Name == name
				}
			case *ast.CompositeLit:
				typed, ok := n.Type.(*ast.Ident)
				named = ok && typed.Name == name
			case *ast.KeyValueExpr:
				key, ok := n.Key.(*ast.Ident)
				named = ok && key.Name == name
			}
			if named {
				in = append(in, f.Name.Name)
			}
			return true
		})
	}
	return in
}

// There is one door to the models, and the meter stands in it: the clients are made in one
// place, asked in one place, and asked only with calls that one function has made, with the
// ledger's meter. A new door makes this test fail.
func TestOneDoorToTheModels(t *testing.T) {
	t.Parallel()
	where := map[string][]string{}
	note := func(what string, s source, is bool) {
		if is {
			where[what] = append(where[what], s.path)
		}
	}
	for _, s := range sources(t) {
		inLLM := strings.HasPrefix(s.path, "app/llm/")
		bench := strings.HasPrefix(s.path, "web/bench/") // it measures package llm, against a server of its own
		if bench {
			continue
		}
		note("makes clients", s, s.imports(llmPath) && s.uses("llm", "New"))
		note("books nothing", s, s.imports(llmPath) && s.uses("llm", "NoMeter"))
		note("asks models", s, s.uses("models", "Stream"))
		note("makes meters", s, s.uses("ledger", "Meter"))
		if strings.HasPrefix(s.path, "app/model/") {
			for _, name := range []string{"Call", "Meter"} {
				for _, f := range s.makes(name) {
					where[name+" is made"] = append(where[name+" is made"], s.path+" "+f)
				}
			}
		} else if !inLLM && s.imports(llmPath) {
			note("sets a meter", s, len(s.makes("Meter")) > 0)
		}
		for _, sdk := range []string{"github.com/sashabaranov/go-openai", "google.golang.org/genai", "github.com/anthropics/anthropic-sdk-go"} {
			note("talks to providers", s, !inLLM && s.imports(sdk))
		}
	}
	for what, want := range map[string][]string{
		"makes clients":      {"app/app.go"},
		"asks models":        {"app/model/call.go"},
		"makes meters":       {"app/model/call.go"},
		"Call is made":       {"app/model/call.go booked"},
		"Meter is made":      {"app/model/call.go booked"},
		"books nothing":      nil,
		"sets a meter":       nil,
		"talks to providers": nil,
	} {
		if got := where[what]; !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
}
