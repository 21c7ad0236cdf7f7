package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// documents are all Markdown files of the repository.
func documents(t *testing.T) (paths []string) {
	t.Helper()
	for _, pattern := range []string{"../*.md", "*.md", "adr/*.md", "../deploy/*.md", "../realtime/client/js/*.md"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		paths = append(paths, found...)
	}
	require.Greater(t, len(paths), 10)
	return paths
}

// TestLinks follows every link within the repository.
func TestLinks(t *testing.T) {
	for _, path := range documents(t) {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, match := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(string(content), -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			linked := filepath.Join(filepath.Dir(path), target)
			if target == "" {
				linked = path
			}
			_, err := os.Stat(linked)
			require.NoError(t, err, "%s links to %s", path, match[1])
			if anchor != "" {
				require.Contains(t, anchors(t, linked), anchor, "%s links to %s", path, match[1])
			}
		}
	}
}

// anchors returns those of a document's headings.
func anchors(t *testing.T, path string) (all []string) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, match := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(content), -1) {
		plain := regexp.MustCompile(`[^\p{L}\p{N} -]`).ReplaceAllString(strings.ToLower(match[1]), "")
		all = append(all, strings.ReplaceAll(plain, " ", "-"))
	}
	return all
}

// TestPaths looks for every file and folder that a document names.
func TestPaths(t *testing.T) {
	named := regexp.MustCompile("`((?:cmd|commands|deploy|docs|domain|internal|migrations|projections|readapi|realtime)/[\\w./*-]+)`")
	for _, path := range documents(t) {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, match := range named.FindAllStringSubmatch(string(content), -1) {
			found, err := filepath.Glob(filepath.Join("..", match[1]))
			require.NoError(t, err)
			require.NotEmpty(t, found, "%s names %s", path, match[1])
		}
	}
}

// TestTree looks for the folders of the tree in README.md.
func TestTree(t *testing.T) {
	content, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(content), "## The tree, and development\n\n```\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "```")
	for line := range strings.Lines(section) {
		column, _, _ := strings.Cut(line, "  ")
		for _, folder := range folders(column) {
			require.DirExists(t, filepath.Join("..", folder), line)
		}
	}
}

// folders expands "internal/{auth,web}" and "migrations, deploy, docs the schema".
func folders(column string) (all []string) {
	if parent, names, found := strings.Cut(strings.TrimSuffix(column, "}"), "{"); found {
		for name := range strings.SplitSeq(names, ",") {
			all = append(all, parent+name)
		}
		return all
	}
	for name := range strings.SplitSeq(column, ", ") {
		all = append(all, strings.Fields(name)[0])
	}
	return all
}
