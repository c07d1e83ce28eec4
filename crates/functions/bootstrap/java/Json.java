// JSON to the types of a handler and back, after the manner of AWS's client, which uses Jackson: beans by their getters and
// setters, records, maps, lists, numbers, dates, base64 for bytes.

package millstream;

import java.io.IOException;
import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collection;
import java.util.Date;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

final class Json {
    private static final int DEEPEST = 1000;

    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    static Object parse(byte[] bytes) throws IOException {
        Json json = new Json(new String(bytes, StandardCharsets.UTF_8));
        Object value = json.value(0);
        if (json.token() != 0) throw json.broken();
        return value;
    }

    static Object read(byte[] bytes, Type type) throws IOException, ReflectiveOperationException {
        return to(parse(bytes), type, false);
    }

    private IOException broken() {
        return new IOException("Could not parse JSON at character " + at);
    }

    /** The next character that is no space; 0 at the end. */
    private char token() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) at++;
        return at < text.length() ? text.charAt(at) : 0;
    }

    private Object value(int depth) throws IOException {
        if (depth > DEEPEST) throw broken();
        switch (token()) {
            case '{': {
                Map<String, Object> map = new LinkedHashMap<>();
                for (char end = open('}'); end != '}'; end = next('}')) {
                    if (token() != '"') throw broken();
                    String key = string();
                    if (token() != ':') throw broken();
                    at++;
                    map.put(key, value(depth + 1));
                }
                return map;
            }
            case '[': {
                List<Object> list = new ArrayList<>();
                for (char end = open(']'); end != ']'; end = next(']')) list.add(value(depth + 1));
                return list;
            }
            case '"':
                return string();
            case 't':
                return word("true", true);
            case 'f':
                return word("false", false);
            case 'n':
                return word("null", null);
            default:
                return number();
        }
    }

    private char open(char end) {
        at++;
        if (token() != end) return 0;
        at++;
        return end;
    }

    private char next(char end) throws IOException {
        char found = token();
        if (found != end && found != ',') throw broken();
        at++;
        return found;
    }

    private Object word(String word, Object value) throws IOException {
        if (!text.startsWith(word, at)) throw broken();
        at += word.length();
        return value;
    }

    private Number number() throws IOException {
        int begin = at;
        while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) at++;
        String number = text.substring(begin, at);
        try {
            if (number.contains(".") || number.contains("e") || number.contains("E")) return Double.valueOf(number);
            BigInteger whole = new BigInteger(number);
            if (whole.bitLength() < 32) return whole.intValue();
            return whole.bitLength() < 64 ? (Number) whole.longValue() : whole;
        } catch (NumberFormatException error) {
            throw broken();
        }
    }

    private String string() throws IOException {
        StringBuilder out = new StringBuilder();
        for (at++; at < text.length(); at++) {
            char c = text.charAt(at);
            if (c == '"') {
                at++;
                return out.toString();
            }
            if (c < ' ') throw broken();
            if (c != '\\') {
                out.append(c);
                continue;
            }
            at++;
            int known = at < text.length() ? "\"\\/bfnrt".indexOf(text.charAt(at)) : -1;
            if (known >= 0) {
                out.append("\"\\/\b\f\n\r\t".charAt(known));
            } else if (text.startsWith("u", at) && at + 4 < text.length()) {
                try {
                    out.append((char) Integer.parseInt(text.substring(at + 1, at + 5), 16));
                } catch (NumberFormatException error) {
                    throw broken();
                }
                at += 4;
            } else {
                throw broken();
            }
        }
        throw broken();
    }

    // To Java's types.

    private static IllegalArgumentException cannot(Object value, Type type) {
        String what = value instanceof Map ? "Object" : value instanceof List ? "Array" : value instanceof String ? "String" : "Number or Boolean";
        return new IllegalArgumentException("Cannot deserialize value of type `" + type.getTypeName() + "` from " + what + " value");
    }

    /** `seconds` says that a number that is to become a date counts seconds, as in AWS's events. */
    private static Object to(Object value, Type type, boolean seconds) throws ReflectiveOperationException {
        if (type instanceof TypeVariable) return to(value, ((TypeVariable<?>) type).getBounds()[0], seconds);
        if (type instanceof WildcardType) return to(value, ((WildcardType) type).getUpperBounds()[0], seconds);
        if (type instanceof GenericArrayType) return array(value, ((GenericArrayType) type).getGenericComponentType(), seconds);
        boolean isGeneric = type instanceof ParameterizedType;
        Class<?> raw = (Class<?>) (isGeneric ? ((ParameterizedType) type).getRawType() : type);
        Type[] inner = isGeneric ? ((ParameterizedType) type).getActualTypeArguments() : new Type[0];
        boolean isNothing = value instanceof List && ((List<?>) value).isEmpty() && takesNoList(raw);
        if (value == null || isNothing) return raw.isPrimitive() ? Array.get(Array.newInstance(raw, 1), 0) : null;
        if (raw == Object.class) return value;
        if (raw == String.class || raw == CharSequence.class) {
            if (value instanceof Map || value instanceof List) throw cannot(value, type);
            return value.toString();
        }
        if (raw == byte[].class && value instanceof String) return Base64.getDecoder().decode((String) value);
        if (raw == ByteBuffer.class && value instanceof String) return ByteBuffer.wrap(Base64.getDecoder().decode((String) value));
        if (raw.isArray()) return array(value, raw.getComponentType(), seconds);
        if (raw.isPrimitive() || Number.class.isAssignableFrom(raw) || raw == Boolean.class || raw == Character.class) return scalar(value, raw);
        if (raw.isEnum()) return constant(value, raw);
        if (raw == Date.class) return date(value, seconds);
        if (Map.class.isAssignableFrom(raw)) return map(value, raw, inner, seconds);
        if (Collection.class.isAssignableFrom(raw) || raw == Iterable.class) return collection(value, raw, inner, seconds);
        if (value instanceof Map) return object((Map<?, ?>) value, raw);
        return fromText(value, raw);
    }

    private static boolean takesNoList(Class<?> raw) {
        return raw != Object.class && raw != Iterable.class && !raw.isArray() && !Collection.class.isAssignableFrom(raw);
    }

    private static Object array(Object value, Type of, boolean seconds) throws ReflectiveOperationException {
        if (!(value instanceof List)) throw cannot(value, of);
        List<?> list = (List<?>) value;
        Class<?> raw = (Class<?>) (of instanceof ParameterizedType ? ((ParameterizedType) of).getRawType() : of);
        Object array = Array.newInstance(raw, list.size());
        for (int i = 0; i < list.size(); i++) Array.set(array, i, to(list.get(i), of, seconds));
        return array;
    }

    private static Object scalar(Object value, Class<?> raw) {
        if (raw == boolean.class || raw == Boolean.class) {
            if (value instanceof Boolean) return value;
            if ("true".equals(value) || "false".equals(value)) return Boolean.valueOf((String) value);
            throw cannot(value, raw);
        }
        if (raw == char.class || raw == Character.class) {
            if (value instanceof String && ((String) value).length() == 1) return ((String) value).charAt(0);
            throw cannot(value, raw);
        }
        BigDecimal number;
        try {
            if (value instanceof Map || value instanceof List || value instanceof Boolean) throw cannot(value, raw);
            number = new BigDecimal(value.toString().trim());
        } catch (NumberFormatException error) {
            throw cannot(value, raw);
        }
        if (raw == int.class || raw == Integer.class) return number.intValue();
        if (raw == long.class || raw == Long.class) return number.longValue();
        if (raw == double.class || raw == Double.class) return number.doubleValue();
        if (raw == float.class || raw == Float.class) return number.floatValue();
        if (raw == short.class || raw == Short.class) return number.shortValue();
        if (raw == byte.class || raw == Byte.class) return number.byteValue();
        if (raw == BigInteger.class) return number.toBigInteger();
        return raw == BigDecimal.class || raw == Number.class ? number : cannot(value, raw);
    }

    private static Object constant(Object value, Class<?> raw) {
        for (Object constant : raw.getEnumConstants()) {
            if (((Enum<?>) constant).name().equals(value)) return constant;
        }
        return null;
    }

    private static Date date(Object value, boolean seconds) {
        if (value instanceof Number) {
            double number = ((Number) value).doubleValue();
            return new Date(Math.round(seconds ? number * 1000 : number));
        }
        return Date.from(Instant.parse(value.toString().replaceFirst("\\+0000$", "Z")));
    }

    @SuppressWarnings("unchecked")
    private static Object map(Object value, Class<?> raw, Type[] inner, boolean seconds) throws ReflectiveOperationException {
        if (!(value instanceof Map)) throw cannot(value, raw);
        Map<Object, Object> map = (Map<Object, Object>) (raw.isInterface() ? (raw.isAssignableFrom(LinkedHashMap.class) ? new LinkedHashMap<>() : new TreeMap<>()) : create(raw));
        for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
            Object key = inner.length == 2 ? to(entry.getKey(), inner[0], false) : entry.getKey();
            map.put(key, inner.length == 2 ? to(entry.getValue(), inner[1], seconds) : entry.getValue());
        }
        return map;
    }

    @SuppressWarnings("unchecked")
    private static Object collection(Object value, Class<?> raw, Type[] inner, boolean seconds) throws ReflectiveOperationException {
        if (!(value instanceof List)) throw cannot(value, raw);
        Collection<Object> made = (Collection<Object>) (!raw.isInterface() ? create(raw) : raw.isAssignableFrom(ArrayList.class) ? new ArrayList<>() : new LinkedHashSet<>());
        for (Object item : (List<?>) value) made.add(inner.length == 1 ? to(item, inner[0], seconds) : item);
        return made;
    }

    private static Object create(Class<?> raw) throws ReflectiveOperationException {
        Constructor<?> constructor = raw.getDeclaredConstructor();
        constructor.setAccessible(true);
        return constructor.newInstance();
    }

    /** A class that one text makes: by a constructor, or by `parse`. */
    private static Object fromText(Object value, Class<?> raw) throws ReflectiveOperationException {
        for (Class<?> type : new Class<?>[] {String.class, Object.class}) {
            try {
                return raw.getConstructor(type).newInstance(value instanceof String ? value : value.toString());
            } catch (NoSuchMethodException absent) {
                // Perhaps the next one.
            }
        }
        try {
            return raw.getMethod("parse", CharSequence.class).invoke(null, value.toString());
        } catch (NoSuchMethodException absent) {
            throw cannot(value, raw);
        }
    }

    /** By setters. In AWS's events, where `Records` is `setRecords`, names need not have the same case. */
    private static Object object(Map<?, ?> value, Class<?> raw) throws ReflectiveOperationException {
        boolean seconds = raw.getName().startsWith("com.amazonaws.services.lambda.runtime.events.");
        Map<String, Object> given = seconds ? new TreeMap<>(String.CASE_INSENSITIVE_ORDER) : new LinkedHashMap<>();
        value.forEach((name, item) -> given.put((String) name, item));
        Object[] components = components(raw);
        if (components != null) return recordOf(raw, components, given);
        Object made = create(raw);
        for (Method method : raw.getMethods()) {
            String name = method.getName();
            if (!name.startsWith("set") || name.length() < 4 || method.getParameterCount() != 1 || method.isBridge()) continue;
            String property = decapitalised(name.substring(3));
            if (!given.containsKey(property)) continue;
            method.setAccessible(true);
            method.invoke(made, to(given.get(property), method.getGenericParameterTypes()[0], seconds));
        }
        for (Field field : raw.getFields()) {
            if ((field.getModifiers() & (Modifier.STATIC | Modifier.FINAL)) != 0 || !given.containsKey(field.getName())) continue;
            field.set(made, to(given.get(field.getName()), field.getGenericType(), seconds));
        }
        return made;
    }

    /** The components of a record, which Java 11 does not know yet; null of what is none. */
    private static Object[] components(Class<?> raw) throws ReflectiveOperationException {
        try {
            return (Object[]) Class.class.getMethod("getRecordComponents").invoke(raw);
        } catch (NoSuchMethodException absent) {
            return null;
        }
    }

    private static Object recordOf(Class<?> raw, Object[] components, Map<String, Object> given) throws ReflectiveOperationException {
        Class<?>[] types = new Class<?>[components.length];
        Object[] arguments = new Object[components.length];
        for (int i = 0; i < components.length; i++) {
            Class<?> of = components[i].getClass();
            types[i] = (Class<?>) of.getMethod("getType").invoke(components[i]);
            Type type = (Type) of.getMethod("getGenericType").invoke(components[i]);
            arguments[i] = to(given.get(of.getMethod("getName").invoke(components[i])), type, false);
        }
        Constructor<?> constructor = raw.getDeclaredConstructor(types);
        constructor.setAccessible(true);
        return constructor.newInstance(arguments);
    }

    // From Java's types.

    static byte[] write(Object value) throws IOException {
        StringBuilder out = new StringBuilder();
        try {
            write(value, out, new IdentityHashMap<>());
        } catch (ReflectiveOperationException error) {
            throw new IOException("Could not write the answer as JSON", error.getCause() == null ? error : error.getCause());
        }
        return out.toString().getBytes(StandardCharsets.UTF_8);
    }

    private static void write(Object value, StringBuilder out, Map<Object, Boolean> parents) throws ReflectiveOperationException {
        if (value == null || value instanceof Boolean) {
            out.append(value);
        } else if (value instanceof Number) {
            boolean isOdd = value instanceof Double && !Double.isFinite((Double) value) || value instanceof Float && !Float.isFinite((Float) value);
            out.append(isOdd ? "\"" + value + "\"" : value.toString());
        } else if (value instanceof byte[]) {
            quote(Base64.getEncoder().encodeToString((byte[]) value), out);
        } else if (value instanceof ByteBuffer) {
            ByteBuffer bytes = ((ByteBuffer) value).asReadOnlyBuffer();
            byte[] all = new byte[bytes.remaining()];
            bytes.get(all);
            quote(Base64.getEncoder().encodeToString(all), out);
        } else if (value instanceof Date) {
            out.append(((Date) value).getTime());
        } else if (value instanceof Enum) {
            quote(((Enum<?>) value).name(), out);
        } else if (value instanceof CharSequence || value instanceof Character || value.getClass().getName().startsWith("java.time.")) {
            quote(value.toString(), out);
        } else {
            if (parents.put(value, true) != null) throw new IllegalArgumentException("Direct self-reference leading to cycle");
            writeCompound(value, out, parents);
            parents.remove(value);
        }
    }

    private static void writeCompound(Object value, StringBuilder out, Map<Object, Boolean> parents) throws ReflectiveOperationException {
        if (value instanceof Iterable || value.getClass().isArray()) {
            List<Object> items = new ArrayList<>();
            if (value instanceof Iterable) ((Iterable<?>) value).forEach(items::add);
            else for (int i = 0; i < Array.getLength(value); i++) items.add(Array.get(value, i));
            String before = "[";
            for (Object item : items) {
                out.append(before);
                write(item, out, parents);
                before = ",";
            }
            out.append(items.isEmpty() ? "[]" : "]");
            return;
        }
        Map<?, ?> members = value instanceof Map ? (Map<?, ?>) value : properties(value);
        String before = "{";
        for (Map.Entry<?, ?> member : members.entrySet()) {
            if (member.getValue() == null) continue;
            out.append(before);
            quote(String.valueOf(member.getKey()), out);
            out.append(':');
            write(member.getValue(), out, parents);
            before = ",";
        }
        out.append(before.equals("{") ? "{}" : "}");
    }

    /** What a bean shows by getters and public fields, in the order of its fields as far as they have one. */
    private static Map<String, Object> properties(Object bean) throws ReflectiveOperationException {
        Map<String, Object> found = new TreeMap<>();
        Object[] components = components(bean.getClass());
        if (components != null) {
            Map<String, Object> record = new LinkedHashMap<>();
            for (Object component : components) {
                Method accessor = (Method) component.getClass().getMethod("getAccessor").invoke(component);
                accessor.setAccessible(true);
                record.put(accessor.getName(), accessor.invoke(bean));
            }
            return record;
        }
        for (Field field : bean.getClass().getFields()) {
            if (!Modifier.isStatic(field.getModifiers())) found.put(field.getName(), field.get(bean));
        }
        for (Method method : bean.getClass().getMethods()) {
            String name = method.getName();
            int prefix = name.startsWith("get") ? 3 : name.startsWith("is") && method.getReturnType() == boolean.class ? 2 : 0;
            boolean isGetter = prefix > 0 && name.length() > prefix && method.getParameterCount() == 0 && method.getDeclaringClass() != Object.class;
            if (!isGetter || Modifier.isStatic(method.getModifiers()) || method.isBridge()) continue;
            method.setAccessible(true);
            found.put(decapitalised(name.substring(prefix)), method.invoke(bean));
        }
        Map<String, Object> ordered = new LinkedHashMap<>();
        List<Class<?>> line = new ArrayList<>();
        for (Class<?> type = bean.getClass(); type != null; type = type.getSuperclass()) line.add(0, type);
        Set<String> names = new LinkedHashSet<>();
        for (Class<?> type : line) Arrays.stream(type.getDeclaredFields()).map(Field::getName).forEach(names::add);
        for (String name : names) {
            if (found.containsKey(name)) ordered.put(name, found.remove(name));
        }
        ordered.putAll(found);
        return ordered;
    }

    /** As Jackson does: all of the capitals at the begin. */
    private static String decapitalised(String name) {
        int end = 0;
        while (end < name.length() && Character.isUpperCase(name.charAt(end))) end++;
        return name.substring(0, end).toLowerCase(Locale.ROOT) + name.substring(end);
    }

    private static void quote(String text, StringBuilder out) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            int known = "\"\\\b\f\n\r\t".indexOf(c);
            if (known >= 0) out.append('\\').append("\"\\bfnrt".charAt(known));
            else if (c < ' ' || Character.isSurrogate(c)) out.append(String.format("\\u%04X", (int) c));
            else out.append(c);
        }
        out.append('"');
    }
}
