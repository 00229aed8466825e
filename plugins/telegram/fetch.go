package main

import (
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// fetch downloads a file that came in a message
// (core.telegram.org/bots/api#getfile). Its address holds the bot's token, so
// it is made of the token's handle and goes no further than the request.
func (b bot) fetch(in abi.Fetch) (abi.Fetched, error) {
	if in.Media.ID == "" {
		return abi.Fetched{}, pdk.Errorf(abi.CodeInvalid, "media.id: it is empty; telegram's files are known by it")
	}
	var file struct {
		Path string `json:"file_path"`
	}
	err := b.call(call{method: "getFile", params: map[string]any{"file_id": in.Media.ID}, repeatable: true}, &file)
	if err != nil {
		return abi.Fetched{}, err
	}
	escaped, err := filePath(file.Path)
	if err != nil {
		return abi.Fetched{}, err
	}
	token, err := b.secret(tokenSecret)
	if err != nil {
		return abi.Fetched{}, err
	}
	answer, err := b.send(abi.HTTPRequest{Method: "GET", URL: "/file/bot" + token + "/" + escaped, Response: abi.ResponseBlob})
	if err != nil {
		return abi.Fetched{}, err
	}
	if answer.Status != 200 || answer.Blob == nil {
		return abi.Fetched{}, b.notFetched(answer)
	}
	fetched := abi.Fetched{Blob: *answer.Blob, MIME: in.Media.MIME, Filename: in.Media.Filename}
	if fetched.MIME == "" && answer.Blob.MIME != "application/octet-stream" { // which it says of any file
		fetched.MIME = answer.Blob.MIME
	}
	if fetched.Filename == "" {
		fetched.Filename = path.Base(file.Path)
	}
	return fetched, nil
}

func (b bot) notFetched(answer abi.HTTPResponse) *abi.Error {
	failure := pdk.Errorf("telegram_file", "telegram: the file was answered with %d", answer.Status)
	switch failure.Retryable = pdk.MayRetry(answer.Status) || answer.Status == 500; {
	case failure.Retryable:
		failure.RetryAfterMillis = b.wait(true, answer)
	case answer.Status == 404:
		failure.Message += ": it is gone, as files of the Bot API are after an hour; another call of getFile names it anew"
		failure.Retryable = true
	}
	return failure
}

// filePath escapes a path of getFile.
func filePath(file string) (string, error) {
	if strings.HasPrefix(file, "/") {
		return "", pdk.Errorf("telegram_local", "telegram: the Bot API server runs with --local and names files of its own disk; run it without")
	}
	segments := strings.Split(file, "/")
	if file == "" || slices.ContainsFunc(segments, func(s string) bool { return s == "" || s == "." || s == ".." }) {
		return "", pdk.Errorf("telegram_file", "telegram: getFile gave the path %q, which can't be downloaded", file)
	}
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	return strings.Join(segments, "/"), nil
}
