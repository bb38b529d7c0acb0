//! Checks that a pattern cannot express: check digits, checksums, structure.

mod address;
mod americas;
mod asia;
mod bank;
mod checksum;
mod europe;
mod northeast;
mod phone;
mod token;

/// What a check says of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// A checksum or structure confirms it.
    Confirmed,
    /// Nothing speaks against it.
    Possible,
    /// It cannot be one.
    Refuted,
}

impl Check {
    fn confirmed_if(holds: bool) -> Self {
        if holds { Self::Confirmed } else { Self::Refuted }
    }

    fn possible_if(holds: bool) -> Self {
        if holds { Self::Possible } else { Self::Refuted }
    }
}

macro_rules! validators {
    ($($(#[$doc:meta])* $variant:ident = $name:literal => $function:path),+ $(,)?) => {
        /// A named check.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Validator { $($(#[$doc])* $variant),+ }

        impl Validator {
            /// The check a file names.
            pub(crate) fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }

            /// All names, for messages.
            pub(crate) fn names() -> String {
                [$($name),+].join(", ")
            }

            /// Runs it.
            pub(crate) fn check(self, value: &str) -> Check {
                match self { $(Self::$variant => $function(value)),+ }
            }
        }
    };
}

validators! {
    /// Payment cards: known issuer, length, Luhn.
    Card = "card" => bank::card,
    /// IBAN: country, length, mod 97 (ISO 13616).
    Iban = "iban" => bank::iban,
    /// US social security number: areas, groups and serials never issued are refuted.
    UsSsn = "us_ssn" => identity::us_ssn,
    /// UK national insurance number: prefixes never issued are refuted.
    UkNino = "uk_nino" => identity::uk_nino,
    /// German tax identification number: ISO 7064 mod 11,10 and the rule on repeated digits.
    DeTaxId = "de_tax_id" => identity::de_tax_id,
    /// Phone number that a numbering plan knows, or one of its shape.
    Phone = "phone" => phone::phone,
    /// E-mail address: dots, lengths, top-level domain.
    Email = "email" => address::email,
    /// IPv4 or IPv6.
    Ip = "ip" => address::ip,
    /// MAC address with one kind of separator.
    Mac = "mac" => address::mac,
    /// Bitcoin address: base58check or bech32.
    Bitcoin = "bitcoin" => address::bitcoin,
    /// JSON web token: a header that is JSON and names an algorithm.
    Jwt = "jwt" => token::jwt,
    /// GitHub token: the last six characters are the CRC-32 of the others.
    Github = "github" => token::github,
    /// A password in a URL that is not a placeholder.
    UrlPassword = "url_password" => token::url_password,
    /// An assigned value that looks random and not like code, a path or words.
    Randomness = "randomness" => token::randomness,
    /// A value near a name that is not made of words, nor a number, a date or a version.
    Tokenlike = "tokenlike" => token::tokenlike,
    /// A password as people choose them, not a placeholder, a call or a variable.
    Password = "password" => token::password,
    /// ABA routing number: federal reserve district, then weights 3, 7, 1.
    Aba = "aba" => americas::aba,
    /// US individual taxpayer number: 9xx, and the groups that are issued.
    UsItin = "us_itin" => americas::us_itin,
    /// US national provider identifier: Luhn over the number with the prefix 80840 (45 CFR 162.406).
    UsNpi = "us_npi" => americas::us_npi,
    /// DEA registration of a prescriber: the last digit of a weighted sum.
    UsDea = "us_dea" => americas::us_dea,
    /// Canadian social insurance number: Luhn; 0 and 8 are not given to people.
    CaSin = "ca_sin" => americas::ca_sin,
    /// Brazilian natural person: two digits mod 11.
    BrCpf = "br_cpf" => americas::br_cpf,
    /// Brazilian company, of digits or of letters and digits (from 2026): two digits mod 11.
    BrCnpj = "br_cnpj" => americas::br_cnpj,
    /// Argentine tax and labour number: kind, then mod 11.
    ArCuit = "ar_cuit" => americas::ar_cuit,
    /// Chilean number: mod 11 with K for ten.
    ClRut = "cl_rut" => americas::cl_rut,
    /// Mexican population key: date, sex, state, and a digit mod 10 over an alphabet with Ñ.
    MxCurp = "mx_curp" => americas::mx_curp,
    /// Mexican tax number: date, and a character mod 11.
    MxRfc = "mx_rfc" => americas::mx_rfc,
    /// Colombian tax number: mod 11 over primes.
    CoNit = "co_nit" => americas::co_nit,
    /// Ecuadorian identity card: province, then Luhn.
    EcCedula = "ec_cedula" => americas::ec_cedula,
    /// Peruvian tax number: kind, then mod 11.
    PeRuc = "pe_ruc" => americas::pe_ruc,
    /// Uruguayan identity card: weights 2, 9, 8, 7, 6, 3, 4.
    UyCi = "uy_ci" => americas::uy_ci,
    /// Indian Aadhaar: Verhoeff; never begins with 0 or 1, never reads the same from behind.
    InAadhaar = "in_aadhaar" => asia::in_aadhaar,
    /// Indian goods and services tax number: state, tax number of the holder, entity, Z, check character.
    InGstin = "in_gstin" => asia::in_gstin,
    /// Codes of Indian states and territories on number plates.
    InVehicle = "in_vehicle" => asia::in_vehicle,
    /// Korean resident (sex digit 1–4, 9, 0) or foreigner (5–8) number: a date, and a digit that numbers
    /// given since October 2020 no longer carry.
    KrRrn = "kr_rrn" => asia::kr_rrn,
    /// Korean business registration.
    KrBrn = "kr_brn" => asia::kr_brn,
    /// Thai identity card: province of registration, then mod 11.
    ThTnin = "th_tnin" => asia::th_tnin,
    /// Singaporean identity or foreigner number; the check letter confirms it.
    SgNric = "sg_nric" => asia::sg_nric,
    /// Singaporean entity: a business, a local company, or another.
    SgUen = "sg_uen" => asia::sg_uen,
    /// Chinese resident identity (GB 11643): date, and ISO 7064 mod 11-2 with X for ten.
    CnRic = "cn_ric" => asia::cn_ric,
    /// Japanese individual number: weights 6 to 2 and 7 to 2, mod 11.
    JpMyNumber = "jp_my_number" => asia::jp_my_number,
    /// Taiwanese identity or resident number: a letter that counts as two digits, then mod 10.
    TwId = "tw_id" => asia::tw_id,
    /// Hong Kong identity card: mod 11 over one or two letters and six digits.
    HkId = "hk_id" => asia::hk_id,
    /// Nigerian identity number: Verhoeff.
    NgNin = "ng_nin" => asia::ng_nin,
    /// South African identity number: date, citizenship, Luhn.
    ZaId = "za_id" => asia::za_id,
    /// Philippine tax number: its first nine digits carry a digit mod 11.
    PhTin = "ph_tin" => asia::ph_tin,
    /// Indonesian citizen: date with 40 added to the day of women.
    IdNik = "id_nik" => asia::id_nik,
    /// Malaysian identity card: date and place of birth.
    MyNric = "my_nric" => asia::my_nric,
    /// Israeli identity number: Luhn over nine digits.
    IlId = "il_id" => asia::il_id,
    /// Emirates identity number: begins with 784, Luhn.
    AeId = "ae_id" => asia::ae_id,
    /// Saudi identity number: citizens 1, residents 2, Luhn.
    SaId = "sa_id" => asia::sa_id,
    /// Australian business number: mod 89 after one is taken from the first digit.
    AuAbn = "au_abn" => asia::au_abn,
    /// Australian company number.
    AuAcn = "au_acn" => asia::au_acn,
    /// Australian tax file number: mod 11.
    AuTfn = "au_tfn" => asia::au_tfn,
    /// Australian Medicare card: the ninth digit checks the first eight.
    AuMedicare = "au_medicare" => asia::au_medicare,
    /// New Zealand tax number: mod 11 with a second set of weights.
    NzIrd = "nz_ird" => asia::nz_ird,
    /// UK health service number: mod 11.
    UkNhs = "uk_nhs" => europe::uk_nhs,
    /// UK driving licence: five characters of the name, decade, month (50 more for women), day, year.
    UkDrivingLicence = "uk_driving_licence" => europe::uk_driving_licence,
    /// UK number plate of the kind used since 2001: the year mark is confirmed, one never issued refuted.
    UkPlate = "uk_plate" => europe::uk_plate,
    /// Irish personal public service number: mod 23 with a letter for the check.
    IePps = "ie_pps" => europe::ie_pps,
    /// German identity card or passport: weights 7, 3, 1 over digits and letters.
    DeDocument = "de_document" => europe::de_document,
    /// As [`de_document`], where older cards of `T` and eight digits carry no check digit.
    DeIdCard = "de_id_card" => europe::de_id_card,
    /// German pension insurance number: area, date of birth, letter, serial, check digit.
    DePension = "de_pension" => europe::de_pension,
    /// German health insurance number: a letter that counts as two digits, then 1, 2, 1, 2.
    DeHealth = "de_health" => europe::de_health,
    /// German physician: weights 4, 9 over six digits; two more name the field.
    DeLanr = "de_lanr" => europe::de_lanr,
    /// German value-added tax number: mod 11,10.
    DeVat = "de_vat" => europe::de_vat,
    /// Number by the unified scheme of the German states: their keys are 1 to 16.
    DeTaxNumber = "de_tax_number" => europe::de_tax_number,
    /// French social insurance number: 97 minus the remainder; Corsica counts as 19 and 18.
    FrNir = "fr_nir" => europe::fr_nir,
    /// French establishment or company: Luhn.
    FrSiret = "fr_siret" => europe::fr_siret,
    /// French tax reference: the last three digits are the remainder by 511.
    FrSpi = "fr_spi" => europe::fr_spi,
    /// Spanish tax number of a citizen (digits) or a foreigner (X, Y, Z): the remainder by 23 is a letter.
    EsNif = "es_nif" => europe::es_nif,
    /// Spanish company: Luhn, with a digit or a letter for the check.
    EsCif = "es_cif" => europe::es_cif,
    /// Italian tax code: odd characters by table, even ones by rank, mod 26.
    ItFiscalCode = "it_fiscal_code" => europe::it_fiscal_code,
    /// Italian value-added tax number: Luhn.
    ItVat = "it_vat" => europe::it_vat,
    /// Portuguese tax number: kind, then mod 11.
    PtNif = "pt_nif" => europe::pt_nif,
    /// Dutch citizen service number: weights 9 to 2 and −1, mod 11.
    NlBsn = "nl_bsn" => europe::nl_bsn,
    /// Belgian national number: 97 minus the remainder, with a 2 before those born from 2000.
    BeNrn = "be_nrn" => europe::be_nrn,
    /// Swiss insurance number: begins with 756, the check digit of EAN-13.
    ChAhv = "ch_ahv" => europe::ch_ahv,
    /// Austrian insurance number: the fourth digit checks the others, which end in a date.
    AtSvnr = "at_svnr" => europe::at_svnr,
    /// Luxembourgish national number: date, then Luhn and Verhoeff.
    LuNin = "lu_nin" => europe::lu_nin,
    /// Greek tax number: powers of two, mod 11.
    GrAfm = "gr_afm" => europe::gr_afm,
    /// Greek social insurance number: date, Luhn.
    GrAmka = "gr_amka" => europe::gr_amka,
    /// Turkish identity number: two check digits over odd and even places.
    TrId = "tr_id" => europe::tr_id,
    /// Turkish plate: province 01 to 81, one to three letters, two to five digits by their count.
    TrPlate = "tr_plate" => europe::tr_plate,
    /// Polish population number: date with the century in the month, weights 1, 3, 7, 9.
    PlPesel = "pl_pesel" => northeast::pl_pesel,
    /// Polish tax number: mod 11.
    PlNip = "pl_nip" => northeast::pl_nip,
    /// Swedish personal number: date (60 more on the day for coordination numbers), Luhn.
    SePersonnummer = "se_personnummer" => northeast::se_personnummer,
    /// Swedish organisation: the third digit is at least two, Luhn.
    SeOrganisation = "se_organisation" => northeast::se_organisation,
    /// Finnish personal code: date, century sign, remainder by 31 as a character.
    FiHetu = "fi_hetu" => northeast::fi_hetu,
    /// Danish personal number: a date; the old check mod 11 confirms, newer numbers may break it.
    DkCpr = "dk_cpr" => northeast::dk_cpr,
    /// Norwegian birth number: two check digits mod 11.
    NoFodselsnummer = "no_fodselsnummer" => northeast::no_fodselsnummer,
    /// Icelandic personal number: date, mod 11 in the ninth digit.
    IsKennitala = "is_kennitala" => northeast::is_kennitala,
    /// Czech or Slovak birth number: date with 50 (or 20) added to the month, a multiple of 11.
    CzRodneCislo = "cz_rodne_cislo" => northeast::cz_rodne_cislo,
    /// Romanian personal number: century and sex, date, county, mod 11.
    RoCnp = "ro_cnp" => northeast::ro_cnp,
    /// Bulgarian civil number: date with 20 or 40 added to the month, mod 11.
    BgEgn = "bg_egn" => northeast::bg_egn,
    /// Croatian personal number: mod 11,10.
    HrOib = "hr_oib" => northeast::hr_oib,
    /// Citizen number of the states of former Yugoslavia: date, mod 11.
    Jmbg = "jmbg" => northeast::jmbg,
    /// Slovenian tax number: mod 11.
    SiTax = "si_tax" => northeast::si_tax,
    /// Estonian or Lithuanian personal code: century and sex, date, mod 11 with a second set of weights.
    BalticCode = "baltic_code" => northeast::baltic_code,
    /// Latvian personal code: weights mod 11; codes from 32 carry no date.
    LvCode = "lv_code" => northeast::lv_code,
    /// Hungarian tax number of a person: begins with 8, weights 1 to 9 mod 11.
    HuTax = "hu_tax" => northeast::hu_tax,
    /// Hungarian social insurance number: weights 3 and 7.
    HuTaj = "hu_taj" => northeast::hu_taj,
    /// Russian tax number: one check digit in ten, or two in twelve.
    RuInn = "ru_inn" => northeast::ru_inn,
    /// Russian pension insurance number: the weighted sum mod 101 in two digits.
    RuSnils = "ru_snils" => northeast::ru_snils,
    /// Ukrainian tax number: weights with a negative one, mod 11.
    UaTax = "ua_tax" => northeast::ua_tax,
    /// Vehicle identification number (ISO 3779): the ninth character checks those of North America;
    /// others need not keep it.
    Vin = "vin" => northeast::vin,
}

mod identity;

/// Shannon entropy, bits per byte.
pub(crate) fn entropy(value: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in value {
        counts[usize::from(*byte)] += 1;
    }
    let total = value.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / total;
            -share * share.log2()
        })
        .sum()
}

/// The decimal digits of a text.
fn digits(text: &str) -> Vec<u32> {
    text.chars().filter_map(|c| c.to_digit(10)).collect()
}
