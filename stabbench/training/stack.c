/* A stack of BERT-like encoder layers on packed rows and its backward pass: single precision, one thread.

   x -> norm(x + drop(output(attention(query, key, value)))) -> norm(that + drop(last(gelu(inner(that))))), as
   transformers' modules have it, with the random bits of attention.py. Matrices lie row by row: [tokens, width].
   Attention is computed row by row and head by head, without padding but to whole vectors. Widths are multiples
   of 16. Nothing is kept from call to call: each is told all addresses (stack.py). */

#include <stdint.h>
#include <string.h>

/* What a register holds. Compilers are bad at vectors that they have to divide. */
#if defined __AVX512F__
#define BYTES 64
#elif defined __AVX__
#define BYTES 32
#else
#define BYTES 16
#endif
#define VECTOR (BYTES / 4)
#if defined __AVX__ && !defined __AVX512F__
#define TILE 6 /* rows of a product that are computed together: two sums each fit into 16 registers, */
#else
#define TILE 8 /* or into 32 */
#endif
#define INLINE static inline __attribute__((always_inline))

typedef float floats __attribute__((vector_size(BYTES), aligned(4), may_alias));
typedef int32_t ints __attribute__((vector_size(BYTES), aligned(4), may_alias));
typedef int16_t shorts __attribute__((vector_size(BYTES / 2), aligned(2), may_alias));
typedef float four __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t order __attribute__((vector_size(16)));

#ifdef __clang__
#define SHUFFLE(x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
#define SHUFFLE(x, y, ...) __builtin_shuffle(x, y, (order){__VA_ARGS__})
#endif

struct dropout {
    const int16_t *bits; /* one for each number; NULL drops nothing */
    int64_t threshold;   /* smaller bits drop */
    double scale;        /* of what is kept */
};

struct layer {
    int64_t tokens, width, heads, inner, rows;
    const int64_t *row; /* [rows, 3]: length, padded length of its bits, where these begin */
    int64_t trains;     /* whether a backward pass may follow */
    double scale, epsilon[2];
    struct dropout weights, outputs[2];
    const float *x, *parameters[16]; /* weight, bias of query, key, value, output, norm, inner, last, norm */
    float *saved, *scratch, *output;
    /* the backward pass: what is not needed is NULL */
    const float *gradient;
    float *of_x, *of_parameters[16]; /* those of query, key and value lie one after the other: weights, biases */
};

enum { QUERY = 0, OUT = 6, NORM1 = 8, INNER = 10, LAST = 12, NORM2 = 14 };

/* ---- vectors ---- */

INLINE floats all(float x) { return x - (floats){0}; }
INLINE floats load(const float *x) { return *(const floats *)x; }
INLINE void store(float *x, floats y) { *(floats *)x = y; }
INLINE floats pick(ints which, floats x, floats y) { return (floats)((which & (ints)x) | (~which & (ints)y)); }

INLINE float total(floats x)
{
    float sums[VECTOR];
    memcpy(sums, &x, sizeof sums);
    for (int n = VECTOR / 2; n; n /= 2)
        for (int i = 0; i < n; i++)
            sums[i] += sums[i + n];
    return sums[0];
}

/* exp(x) for x <= 0, NaN for NaN: 2^n e^r, Taylor in r. */
INLINE floats exponential(floats x)
{
    const floats magic = all(12582912.0f); /* 1.5 * 2^23: adding it rounds */
    floats shifted = x * 1.44269504f + magic, n = shifted - magic;
    floats r = (x - n * 0.693359375f) + n * 2.12194440e-4f; /* log 2 in two parts */
    floats p = r * (1.0f / 720) + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    floats power = (floats)(((ints)shifted - (ints)magic + 127) << 23);
    return pick(x < -87.0f, all(0.0f), p * power);
}

/* The normal distribution's P(X <= x) to 6e-8: half of exp(-a q(a)) below 0, q fitted by least squares. */
INLINE floats normal(floats x)
{
    floats a = pick(x < 0.0f, -x, x);
    floats q = a * -3.55490727e-7f + 6.62667389e-6f;
    q = q * a - 5.19680289e-5f;
    q = q * a + 1.97095127e-4f;
    q = q * a - 1.03913504e-5f;
    q = q * a - 4.80428571e-3f;
    q = q * a + 3.63450088e-2f;
    q = q * a + 3.18308055e-1f;
    q = q * a + 7.97884703e-1f;
    floats below = pick(a > 5.8f, all(0.0f), 0.5f * exponential(-a * q)); /* where single precision ends */
    return pick(x < 0.0f, below, 1.0f - below);
}

/* What of x remains, from the number `at` on. */
INLINE floats drop(const struct dropout *d, int64_t at, floats x)
{
    if (!d->bits)
        return x;
    ints bits = __builtin_convertvector(*(const shorts *)(d->bits + at), ints);
    return x * (floats)((bits >= (int32_t)d->threshold) & (ints)all((float)d->scale));
}

/* ---- products ---- */

INLINE void tile(int rows, int vectors, int64_t depth, const float *a, int64_t ra, int64_t ca, const float *b,
                 int64_t ldb, float *c, int64_t ldc, float factor, int add)
{
    floats sums[TILE][2] = {0};
    for (int64_t p = 0; p < depth; p++)
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < vectors; v++)
                sums[r][v] += a[r * ra + p * ca] * load(b + p * ldb + v * VECTOR);
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) {
            float *here = c + r * ldc + v * VECTOR;
            store(here, add ? load(here) + sums[r][v] * factor : sums[r][v] * factor);
        }
}

INLINE void columns_of(int vectors, int64_t m, int64_t k, const float *a, int64_t ra, int64_t ca, const float *b,
                       int64_t ldb, float *c, int64_t ldc, float factor, int add)
{
    int64_t i = 0;
    for (; i + TILE <= m; i += TILE)
        tile(TILE, vectors, k, a + i * ra, ra, ca, b, ldb, c + i * ldc, ldc, factor, add);
    for (; i + 3 <= m; i += 3)
        tile(3, vectors, k, a + i * ra, ra, ca, b, ldb, c + i * ldc, ldc, factor, add);
    for (; i < m; i++)
        tile(1, vectors, k, a + i * ra, ra, ca, b, ldb, c + i * ldc, ldc, factor, add);
}

/* c = factor a b, added to c if `add`: [m, k] and [k, n], n a multiple of 16; a's rows and columns are ra and
   ca apart. Every number is summed up in the order of k, whatever else is computed beside it. */
static void product(int64_t m, int64_t n, int64_t k, const float *a, int64_t ra, int64_t ca, const float *b,
                    int64_t ldb, float *c, int64_t ldc, float factor, int add)
{
    int64_t j = 0;
    for (; j + 2 * VECTOR <= n; j += 2 * VECTOR)
        columns_of(2, m, k, a, ra, ca, b + j, ldb, c + j, ldc, factor, add);
    for (; j < n; j += VECTOR)
        columns_of(1, m, k, a, ra, ca, b + j, ldb, c + j, ldc, factor, add);
}

/* b = a transposed, [n, width] to [width, n]; both are multiples of 4. */
static void turn(int64_t n, int64_t width, const float *a, float *b, int64_t ldb)
{
    for (int64_t i = 0; i < n; i += 4)
        for (int64_t j = 0; j < width; j += 4) {
            const float *from = a + i * width + j;
            float *to = b + j * ldb + i;
            four x0 = *(const four *)from, x1 = *(const four *)(from + width);
            four x2 = *(const four *)(from + 2 * width), x3 = *(const four *)(from + 3 * width);
            four low0 = SHUFFLE(x0, x1, 0, 4, 1, 5), low2 = SHUFFLE(x2, x3, 0, 4, 1, 5);
            four high0 = SHUFFLE(x0, x1, 2, 6, 3, 7), high2 = SHUFFLE(x2, x3, 2, 6, 3, 7);
            *(four *)to = SHUFFLE(low0, low2, 0, 1, 4, 5);
            *(four *)(to + ldb) = SHUFFLE(low0, low2, 2, 3, 6, 7);
            *(four *)(to + 2 * ldb) = SHUFFLE(high0, high2, 0, 1, 4, 5);
            *(four *)(to + 3 * ldb) = SHUFFLE(high0, high2, 2, 3, 6, 7);
        }
}

/* The same for any n, from rows that are lda apart, with zeros up to `columns`. */
static void turn_rows(int64_t n, int64_t width, const float *a, int64_t lda, float *b, int64_t columns)
{
    for (int64_t j = 0; j < width; j++) {
        for (int64_t i = 0; i < n; i++)
            b[j * columns + i] = a[i * lda + j];
        for (int64_t i = n; i < columns; i++)
            b[j * columns + i] = 0.0f;
    }
}

/* sums += the columns' sums of [n, width] */
static void add_columns(int64_t n, int64_t width, const float *a, int64_t lda, float *sums)
{
    for (int64_t j = 0; j < width; j += VECTOR) {
        floats sum = {0};
        for (int64_t i = 0; i < n; i++)
            sum += load(a + i * lda + j);
        store(sums + j, sum);
    }
}

/* ---- where things lie ---- */

struct way {
    float *qkv;                /* [tokens, 3 width] */
    float *weights;            /* of each row and head, [length, columns] */
    float *mixed;              /* attention's heads, [tokens, width] */
    float *hat1, *rstd1;       /* the first sum normalised, and by what factor */
    float *normed;             /* that with weight and bias */
    float *slope;              /* of the activation, [tokens, inner] */
    float *active;             /* its values */
    float *hat2, *rstd2;       /* as 1, of the second sum */
    float *end;
};

/* Up to whole vectors, of the widest kind. */
static int64_t whole(int64_t n) { return (n + 15) / 16 * 16; }

static float *cut(float **from, int64_t n)
{
    float *here = *from;
    *from += whole(n);
    return here;
}

static struct way way_of(const struct layer *l)
{
    const int64_t t = l->tokens, w = l->width;
    float *at = l->saved;
    int64_t weights = 0;
    for (int64_t r = 0; r < l->rows; r++)
        weights += l->heads * l->row[3 * r] * whole(l->row[3 * r]);
    struct way y;
    y.qkv = cut(&at, 3 * t * w);
    y.weights = cut(&at, weights);
    y.mixed = cut(&at, t * w);
    y.hat1 = cut(&at, t * w);
    y.rstd1 = cut(&at, t);
    y.normed = cut(&at, t * w);
    y.slope = cut(&at, t * l->inner);
    y.active = cut(&at, t * l->inner);
    y.hat2 = cut(&at, t * w);
    y.rstd2 = cut(&at, t);
    y.end = at;
    return y;
}

/* How many numbers `saved` and `scratch` need. */
void space(const struct layer *l, int64_t sizes[2])
{
    struct layer from = *l;
    from.saved = 0;
    sizes[0] = way_of(&from).end - (float *)0;
    const int64_t t = l->tokens, w = l->width, m = l->inner, longest = whole(l->row[3 * (l->rows - 1)]);
    int64_t turned = w * (m > 3 * w ? m : 3 * w), attention = longest * (2 * longest + w / l->heads);
    int64_t forward = t * w + (turned > attention ? turned : attention);
    int64_t backward = attention + t * (8 * w + 2 * m) + 4 * t;
    sizes[1] = whole(forward > backward ? forward : backward) + 16 * 16;
}

/* ---- forward ---- */

static void attend(const struct layer *l, const struct way *y, float *space)
{
    const int64_t w = l->width, d = w / l->heads;
    const float *q = y->qkv, scale = (float)l->scale;
    float *p = y->weights, *mixed = y->mixed;
    for (int64_t r = 0; r < l->rows; r++) {
        const int64_t n = l->row[3 * r], pitch = l->row[3 * r + 1], columns = whole(n);
        float *turned = space, *dropped = turned + d * columns;
        for (int64_t h = 0; h < l->heads; h++, p += n * columns) {
            turn_rows(n, d, q + h * d + w, 3 * w, turned, columns);
            product(n, columns, d, q + h * d, 3 * w, 1, turned, columns, p, columns, scale, 0);
            for (int64_t i = 0; i < n; i++) {
                float *s = p + i * columns;
                for (int64_t j = n; j < columns; j++)
                    s[j] = -__builtin_inff();
                floats top = load(s), sum = {0};
                for (int64_t j = VECTOR; j < columns; j += VECTOR)
                    top = pick(load(s + j) > top, load(s + j), top);
                float most = top[0];
                for (int j = 1; j < VECTOR; j++)
                    most = top[j] > most ? top[j] : most;
                for (int64_t j = 0; j < columns; j += VECTOR) {
                    floats e = exponential(load(s + j) - most);
                    sum += e;
                    store(s + j, e);
                }
                const float factor = 1.0f / total(sum);
                const int64_t at = l->row[3 * r + 2] + (h * pitch + i) * pitch;
                for (int64_t j = 0; j < columns; j += VECTOR) {
                    floats e = load(s + j) * factor;
                    store(s + j, e);
                    store(dropped + i * columns + j, drop(&l->weights, at + j, e));
                }
            }
            product(n, d, n, dropped, columns, 1, q + h * d + 2 * w, 3 * w, mixed + h * d, w, 1.0f, 0);
        }
        q += n * 3 * w;
        mixed += n * w;
    }
}

/* Drop of y + bias, add to x, and normalise: norm is the index of its parameters, part 0 or 1. */
static void add_and_norm(const struct layer *l, const float *x, const float *y, const float *bias, int part,
                         int norm, float *hat, float *rstd, float *out)
{
    const int64_t w = l->width;
    const float *g = l->parameters[norm], *c = l->parameters[norm + 1];
    for (int64_t i = 0; i < l->tokens; i++) {
        float *own = hat + i * w;
        floats sum = {0}, squares = {0};
        for (int64_t j = 0; j < w; j += VECTOR) {
            floats z = load(x + i * w + j) + drop(&l->outputs[part], i * w + j, load(y + i * w + j) + load(bias + j));
            sum += z;
            store(own + j, z);
        }
        const float mean = total(sum) / w;
        for (int64_t j = 0; j < w; j += VECTOR) {
            floats z = load(own + j) - mean;
            squares += z * z;
            store(own + j, z);
        }
        rstd[i] = 1.0f / __builtin_sqrtf(total(squares) / w + (float)l->epsilon[part]);
        for (int64_t j = 0; j < w; j += VECTOR) {
            floats z = load(own + j) * rstd[i];
            store(own + j, z);
            store(out + i * w + j, z * load(g + j) + load(c + j));
        }
    }
}

/* y = x times the transposed weight [out, in] of a linear layer. */
static void linear(const struct layer *l, int64_t out, int64_t in, const float *x, int index, float *y, float *space)
{
    turn(out, in, l->parameters[index], space, out);
    product(l->tokens, out, in, x, in, 1, space, out, y, out, 1.0f, 0);
}

static void forward_layer(const struct layer *l)
{
    const int64_t t = l->tokens, w = l->width, m = l->inner;
    const struct way y = way_of(l);
    float *at = l->scratch, *sum = cut(&at, t * w);
    for (int part = 0; part < 3; part++)
        turn(w, w, l->parameters[QUERY + 2 * part], at + part * w, 3 * w);
    product(t, 3 * w, w, l->x, w, 1, at, 3 * w, y.qkv, 3 * w, 1.0f, 0);
    for (int64_t i = 0; i < t; i++)
        for (int part = 0; part < 3; part++)
            for (int64_t j = 0; j < w; j += VECTOR) {
                float *here = y.qkv + (3 * i + part) * w + j;
                store(here, load(here) + load(l->parameters[QUERY + 2 * part + 1] + j));
            }
    attend(l, &y, at);
    linear(l, w, w, y.mixed, OUT, sum, at);
    add_and_norm(l, l->x, sum, l->parameters[OUT + 1], 0, NORM1, y.hat1, y.rstd1, y.normed);
    linear(l, m, w, y.normed, INNER, y.active, at);
    for (int64_t i = 0; i < t; i++)
        for (int64_t j = 0; j < m; j += VECTOR) {
            float *here = y.active + i * m + j;
            floats x = load(here) + load(l->parameters[INNER + 1] + j), below = normal(x);
            store(here, x * below);
            if (l->trains) /* the slope of x P(X <= x) */
                store(y.slope + i * m + j, below + x * 0.39894228f * exponential(x * x * -0.5f));
        }
    linear(l, w, m, y.active, LAST, sum, at);
    add_and_norm(l, y.normed, sum, l->parameters[LAST + 1], 1, NORM2, y.hat2, y.rstd2, l->output);
}

/* The layers in turn, each from what the one before has put out. */
void forward(const struct layer *layers, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        forward_layer(layers + i);
}

/* ---- backward ---- */

/* The gradient of what a normalisation was given, `of_x`, by that of its result; weight and bias if asked. */
static void norm_backward(const struct layer *l, int64_t n, const float *gradient, const float *hat,
                          const float *rstd, int norm, float *of_x)
{
    const int64_t w = l->width;
    const float *g = l->parameters[norm];
    float *of_g = l->of_parameters[norm], *of_c = l->of_parameters[norm + 1];
    if (of_g)
        memset(of_g, 0, w * sizeof(float));
    if (of_c)
        memset(of_c, 0, w * sizeof(float));
    for (int64_t i = 0; i < n; i++) {
        const float *dy = gradient + i * w, *z = hat + i * w;
        floats sum = {0}, along = {0};
        for (int64_t j = 0; j < w; j += VECTOR) {
            floats a = load(dy + j) * load(g + j);
            sum += a;
            along += a * load(z + j);
            if (of_g)
                store(of_g + j, load(of_g + j) + load(dy + j) * load(z + j));
            if (of_c)
                store(of_c + j, load(of_c + j) + load(dy + j));
        }
        const float mean = total(sum) / w, slope = total(along) / w;
        for (int64_t j = 0; j < w; j += VECTOR)
            store(of_x + i * w + j, (load(dy + j) * load(g + j) - mean - load(z + j) * slope) * rstd[i]);
    }
}

static void attend_backward(const struct layer *l, const struct way *y, const float *of_mixed, float *of_qkv,
                            float *space)
{
    const int64_t w = l->width, d = w / l->heads;
    const float *q = y->qkv, *p = y->weights;
    const float scale = (float)l->scale;
    for (int64_t r = 0; r < l->rows; r++) {
        const int64_t n = l->row[3 * r], pitch = l->row[3 * r + 1], columns = whole(n);
        float *turned = space, *dropped = turned + d * columns, *of_scores = dropped + n * columns;
        for (int64_t h = 0; h < l->heads; h++, p += n * columns) {
            const float *query = q + h * d, *key = query + w, *value = key + w, *of_seen = of_mixed + h * d;
            float *of_query = of_qkv + h * d, *of_key = of_query + w, *of_value = of_key + w;
            turn_rows(n, d, value, 3 * w, turned, columns);
            product(n, columns, d, of_seen, w, 1, turned, columns, of_scores, columns, 1.0f, 0);
            for (int64_t i = 0; i < n; i++) {
                const float *own = p + i * columns;
                float *s = of_scores + i * columns;
                const int64_t at = l->row[3 * r + 2] + (h * pitch + i) * pitch;
                floats sum = {0};
                for (int64_t j = 0; j < columns; j += VECTOR) {
                    floats e = load(own + j), of_weight = drop(&l->weights, at + j, load(s + j));
                    store(dropped + i * columns + j, drop(&l->weights, at + j, e));
                    sum += e * of_weight;
                    store(s + j, of_weight);
                }
                const float mean = total(sum);
                for (int64_t j = 0; j < columns; j += VECTOR)
                    store(s + j, load(own + j) * (load(s + j) - mean));
            }
            product(n, d, n, dropped, 1, columns, of_seen, w, of_value, 3 * w, 1.0f, 0);
            product(n, d, n, of_scores, columns, 1, key, 3 * w, of_query, 3 * w, scale, 0);
            product(n, d, n, of_scores, 1, columns, query, 3 * w, of_key, 3 * w, scale, 0);
        }
        q += n * 3 * w;
        of_mixed += n * w;
        of_qkv += n * 3 * w;
    }
}

/* Gradients of weight [out, in] and bias of a linear layer, where asked for. */
static void linear_backward(const struct layer *l, int index, int64_t n, int64_t out, int64_t in,
                            const float *gradient, const float *x)
{
    if (l->of_parameters[index])
        product(out, in, n, gradient, 1, out, x, in, l->of_parameters[index], in, 1.0f, 0);
    if (l->of_parameters[index + 1])
        add_columns(n, out, gradient, out, l->of_parameters[index + 1]);
}

/* Those rows of a matrix, one after the other: the matrix itself where all are wanted. */
static const float *some(const float *from, int64_t width, const int32_t *which, int64_t n, float **at)
{
    if (!which)
        return from;
    float *to = cut(at, n * width);
    for (int64_t i = 0; i < n; i++)
        memcpy(to + i * width, from + which[i] * width, width * sizeof(float));
    return to;
}

/* What dropout passes on of a gradient of those tokens, all if `which` is NULL. */
static void drop_again(const struct dropout *d, int64_t n, int64_t w, const int32_t *which, const float *gradient,
                       float *of_dropped)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < w; j += VECTOR)
            store(of_dropped + i * w + j, drop(d, (which ? which[i] : i) * w + j, load(gradient + i * w + j)));
}

/* Which tokens have a gradient: below the head only first ones are read. NULL if more than half have. */
static const int32_t *told(const struct layer *l, int32_t *which, int64_t *n)
{
    const int64_t w = l->width;
    *n = 0;
    for (int64_t i = 0; i < l->tokens; i++) {
        ints found = {0};
        for (int64_t j = 0; j < w; j += VECTOR)
            found |= load(l->gradient + i * w + j) != 0.0f;
        int32_t any = 0;
        for (int k = 0; k < VECTOR; k++)
            any |= found[k];
        if (any)
            which[(*n)++] = i;
    }
    if (2 * *n <= l->tokens)
        return which;
    *n = l->tokens;
    return 0;
}

static void backward_layer(const struct layer *l)
{
    const int64_t t = l->tokens, w = l->width, m = l->inner;
    const struct way y = way_of(l);
    float *at = l->scratch;
    int64_t n;
    const int32_t *which = told(l, (int32_t *)cut(&at, t), &n);
    const float *gradient = some(l->gradient, w, which, n, &at);
    const float *hat2 = some(y.hat2, w, which, n, &at), *rstd2 = some(y.rstd2, 1, which, n, &at);
    const float *active = some(y.active, m, which, n, &at), *slope = some(y.slope, m, which, n, &at);
    const float *normed = some(y.normed, w, which, n, &at);
    const float *hat1 = some(y.hat1, w, which, n, &at), *rstd1 = some(y.rstd1, 1, which, n, &at);
    const float *mixed = some(y.mixed, w, which, n, &at);
    float *of_sum = cut(&at, n * w), *of_output = cut(&at, n * w), *of_inner = cut(&at, n * m);

    norm_backward(l, n, gradient, hat2, rstd2, NORM2, of_sum);
    drop_again(&l->outputs[1], n, w, which, of_sum, of_output);
    linear_backward(l, LAST, n, w, m, of_output, active);
    product(n, m, w, of_output, w, 1, l->parameters[LAST], m, of_inner, m, 1.0f, 0);
    for (int64_t i = 0; i < n * m; i += VECTOR)
        store(of_inner + i, load(of_inner + i) * load(slope + i));
    linear_backward(l, INNER, n, m, w, of_inner, normed);
    product(n, w, m, of_inner, m, 1, l->parameters[INNER], w, of_sum, w, 1.0f, 1);
    norm_backward(l, n, of_sum, hat1, rstd1, NORM1, of_sum);
    drop_again(&l->outputs[0], n, w, which, of_sum, of_output);
    linear_backward(l, OUT, n, w, w, of_output, mixed);
    int below = l->of_x != 0;
    for (int k = 0; k < 6; k++)
        below |= l->of_parameters[QUERY + k] != 0;
    if (!below)
        return;

    float *of_mixed = cut(&at, t * w), *of_qkv = cut(&at, 3 * t * w);
    float *found = which ? cut(&at, n * w) : of_mixed;
    product(n, w, w, of_output, w, 1, l->parameters[OUT], w, found, w, 1.0f, 0);
    if (which) {
        memset(of_mixed, 0, t * w * sizeof(float));
        for (int64_t i = 0; i < n; i++)
            memcpy(of_mixed + which[i] * w, found + i * w, w * sizeof(float));
    }
    attend_backward(l, &y, of_mixed, of_qkv, at);
    if (l->of_parameters[QUERY])
        product(3 * w, w, t, of_qkv, 1, 3 * w, l->x, w, l->of_parameters[QUERY], w, 1.0f, 0);
    if (l->of_parameters[QUERY + 1])
        add_columns(t, 3 * w, of_qkv, 3 * w, l->of_parameters[QUERY + 1]);
    if (!l->of_x)
        return;
    if (which) {
        memset(l->of_x, 0, t * w * sizeof(float));
        for (int64_t i = 0; i < n; i++)
            memcpy(l->of_x + which[i] * w, of_sum + i * w, w * sizeof(float));
    } else
        memcpy(l->of_x, of_sum, t * w * sizeof(float));
    for (int part = 0; part < 3; part++)
        product(t, w, w, of_qkv + part * w, 3 * w, 1, l->parameters[QUERY + 2 * part], w, l->of_x, w, 1.0f, 1);
}

/* The same backwards, down to the first layer of these. */
void backward(const struct layer *layers, int64_t n)
{
    while (n--)
        backward_layer(layers + n);
}
