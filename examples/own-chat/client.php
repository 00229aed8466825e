<?php
// A chat of one's own, connected to Trama by API: PHP 8.1 or newer, nothing to
// install. It registers its webhook, checks what comes there, and sends what its
// users write:
//
//   php -S 127.0.0.1:8095 client.php     takes POST /webhook (Trama) and
//                                        POST /say with user, text or payload (your
//                                        chat, with Authorization: Bearer SAY_KEY)
//   php client.php register              tells Trama where the webhook is
//
//   TRAMA          the channel's address, http://127.0.0.1:8093/hooks/chat
//   API_KEY        manages the webhook: the channel's secret api_key
//   FLOW_KEY       sends what users write: the channel's secret flow_key
//   SIGNING        checks what comes: the channel's secret "secret"
//   SAY_KEY        what your chat shows at /say, of your choice
//   WORKSPACE, EMAIL  what the channel's config says
//   PUBLIC         how Trama reaches this client, http://127.0.0.1:8095
//   STATE          a directory of its own for what is kept; use your database instead
declare(strict_types=1);

const TOLERANCE = 300; // seconds between a signature and now

// What fails here is told to Trama, which then sends the message again: PHP
// alone would answer 200, with its warning as the body.
ini_set('display_errors', 'stderr');
set_exception_handler(function (Throwable $e): never {
    error_log($e->getMessage());
    PHP_SAPI === 'cli' ? exit(1) : answer(500);
});

/** A setting. Without one that has no default nothing works: an empty key would let anybody in. */
function setting(string $name, ?string $default = null): string
{
    $value = getenv($name);
    if ($value !== false && $value !== '') {
        return $value;
    }
    return $default ?? throw new RuntimeException("$name is not set: see the head of client.php");
}

function kept(string $name): string
{
    return setting('STATE') . '/' . $name;
}

function keep(string $name, string $text, int $flags = 0): void
{
    if (@file_put_contents(kept($name), $text, $flags) !== strlen($text)) {
        throw new RuntimeException(kept($name) . ' could not be written: ' . (error_get_last()['message'] ?? 'the disk may be full'));
    }
}

/** The key that messages are signed with. */
function signingKey(): string
{
    $secret = setting('SIGNING');
    $key = str_starts_with($secret, 'whsec_') ? base64_decode(substr($secret, 6), true) : $secret;
    return $key ?: throw new RuntimeException('SIGNING begins with whsec_, and no base64 follows');
}

/** Says whether a request is Trama's (Standard Webhooks 1.0.0): it is signed over id, time and the body as it came, and it is not old. */
function verified(string $key, string $id, string $time, string $given, string $body): bool
{
    if ($id === '' || !ctype_digit($time) || abs(time() - (int) $time) > TOLERANCE) {
        return false;
    }
    $want = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$time.$body", $key, true));
    $right = false;
    foreach (explode(' ', $given) as $signature) { // several while the secret is rotated
        $right = hash_equals($want, $signature) || $right;
    }
    return $right;
}

/** Does the work for a message once: Trama sends it again if it did not see a 2xx. The mark is made after the work, so that what fails is done again. */
function once(string $id, callable $work): void
{
    $mark = @fopen(kept('seen-' . hash('sha256', $id)), 'c+');
    if ($mark === false || !flock($mark, LOCK_EX)) { // not "it came before": nothing is known
        throw new RuntimeException('no mark could be made in STATE: ' . (error_get_last()['message'] ?? ''));
    }
    if (fread($mark, 1) === '') {
        $work();
        if (fwrite($mark, '1') !== 1) {
            throw new RuntimeException('a mark could not be written: the disk may be full');
        }
    }
    fclose($mark);
}

/** What this client does with a message. */
function show(array $m): void
{
    $line = $m['recipient']['id'] . ': ' . $m['content_type'] . ' ' . $m['content'];
    foreach ($m['buttons'] ?? [] as $button) {
        $line .= ' [' . $button['title'] . ' #' . ($button['payload'] ?? $button['url']) . ']';
    }
    foreach ($m['elements'] ?? [] as $element) {
        $line .= ' {' . $element['title'] . '}';
    }
    foreach ($m['attachments'] ?? [] as $file) {
        $line .= ' ' . $file['file_type'] . ' ' . $file['data_url'];
    }
    keep('messages.txt', $line . "\n", FILE_APPEND | LOCK_EX);
}

/** Posts JSON and gives the answer's; an exception says what Trama refused. */
function post(string $url, string $key, array $body): array
{
    $answer = @file_get_contents($url, false, stream_context_create(['http' => [
        'method' => 'POST', 'ignore_errors' => true, 'timeout' => 30, 'follow_location' => 0,
        'header' => "Content-Type: application/json\r\nAuthorization: Bearer $key\r\n",
        'content' => json_encode($body, JSON_THROW_ON_ERROR),
    ]]));
    if ($answer === false) {
        throw new RuntimeException('no answer');
    }
    $status = explode(' ', $http_response_header[0])[1];
    $data = json_decode($answer, true);
    if ($status !== '200' || !is_array($data)) {
        throw new RuntimeException("$status: " . ($data['detail'] ?? ''));
    }
    return $data;
}

function answer(int $status, string $text = ''): never
{
    http_response_code($status);
    header('Content-Type: text/plain');
    echo $text;
    exit;
}

if (PHP_SAPI === 'cli') {
    if (($argv[1] ?? '') !== 'register') {
        fwrite(STDERR, "php client.php register\n");
        exit(2);
    }
    signingKey(); // without it, messages would come that nobody can check
    $token = bin2hex(random_bytes(16)); // of this registration
    keep('verify-token', $token);
    try {
        $answer = post(setting('TRAMA') . '?action=set-webhook', setting('API_KEY'), [
            'workspace' => setting('WORKSPACE', '42'), 'email' => setting('EMAIL', 'ops@example.com'),
            'webhook_url' => setting('PUBLIC', 'http://127.0.0.1:8095') . '/webhook', 'webhook_verification_key' => $token,
        ]);
    } catch (RuntimeException $e) {
        fwrite(STDERR, 'not registered: ' . $e->getMessage() . "\n");
        exit(1);
    }
    keep('bot-url', $answer['data']['bot_url']);
    echo 'webhook ', $answer['data']['webhook_status'], "\n";
    exit;
}

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
    answer(404);
}
if ($path === '/say') { // what your chat calls when a user has written
    if (!hash_equals('Bearer ' . setting('SAY_KEY'), $_SERVER['HTTP_AUTHORIZATION'] ?? '')) {
        answer(401); // whoever reaches this address would speak for any user
    }
    if (($_POST['user'] ?? '') === '') {
        answer(400, 'user is missing');
    }
    $message = [
        'event' => 'message_created', 'message_type' => 'incoming', 'id' => bin2hex(random_bytes(8)),
        'sender' => ['id' => $_POST['user'], 'name' => $_POST['user'], 'type' => 'contact'], 'content' => $_POST['text'] ?? '',
    ];
    if (isset($_POST['payload'])) { // of the button that was pressed
        $message['payload'] = $_POST['payload'];
    }
    try {
        $botURL = @file_get_contents(kept('bot-url')) ?: throw new RuntimeException('not registered so far: php client.php register');
        post($botURL, setting('FLOW_KEY'), $message);
    } catch (RuntimeException $e) { // send it again, with the same id
        answer(502, $e->getMessage());
    }
    answer(200, 'sent');
}
if ($path !== '/webhook') {
    answer(404);
}
if (isset($_POST['hub_mode'])) { // is it yours?
    $token = trim((string) @file_get_contents(kept('verify-token'))); // empty before it was registered: nothing is equal to that
    $mine = $_POST['hub_mode'] === 'subscribe' && $token !== '' && hash_equals($token, $_POST['hub_verify_token'] ?? '');
    $mine ? answer(200, $_POST['hub_challenge'] ?? '') : answer(403);
}
$body = file_get_contents('php://input'); // as it came: what is encoded anew is signed otherwise
if (!verified(signingKey(), $_SERVER['HTTP_WEBHOOK_ID'] ?? '', $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '', $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '', $body)) {
    answer(401);
}
once($_SERVER['HTTP_WEBHOOK_ID'], fn () => show(json_decode($body, true, 512, JSON_THROW_ON_ERROR)));
answer(200);
